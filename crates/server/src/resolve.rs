//! Host names for scripts (`{ip.resolve}`, spec/script.md §9.2).
//!
//! A name server may be silent for many seconds, and a worker has other calls: names are asked for
//! in threads of their own, a worker waits for [`PATIENCE`] only, and what comes later is there for
//! the next who asks.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use duologue_sip::host_ip;
use parking_lot::{Condvar, Mutex};

/// How long a worker waits for a name.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an address is believed.
const FRESH: Duration = Duration::from_secs(60);
/// How long it is believed that a name has none.
const FRESH_NONE: Duration = Duration::from_secs(10);
/// How many names are remembered.
const NAMES_MAX: usize = 1_024;
/// How many names may be asked for at a time.
const ASKED_MAX: usize = 16;
/// The longest name (RFC 1035 §2.3.4).
const NAME_MAX: usize = 253;

/// `exec_dns_threshold` in microseconds; 0 is none.
static SLOW_MICROS: AtomicU64 = AtomicU64::new(0);

static NAMES: LazyLock<Names> = LazyLock::new(Names::default);

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// The first one found.
    Any,
    /// Of IPv4.
    V4,
    /// Of IPv6.
    V6,
}

/// Look-ups that take longer than this are told in the log.
pub(crate) fn warn_above(micros: u64) {
    SLOW_MICROS.store(micros, Relaxed);
}

/// The address of a host; an address is its own, whatever family is wanted.
pub(crate) fn host(name: &[u8], family: Family) -> Option<IpAddr> {
    if let Some(ip) = host_ip(name) {
        return Some(ip);
    }
    let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
    // RFC 6761 §6.3, §6.4: known without asking anybody.
    let top = name.trim_end_matches('.').rsplit('.').next()?;
    match (top, family) {
        ("localhost", Family::V6) => return Some(Ipv6Addr::LOCALHOST.into()),
        ("localhost", _) => return Some(Ipv4Addr::LOCALHOST.into()),
        ("invalid", _) => return None,
        _ => {}
    }
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(letters) {
        return None;
    }
    let fits = |ip: &IpAddr| match family {
        Family::Any => true,
        Family::V4 => ip.is_ipv4(),
        Family::V6 => ip.is_ipv6(),
    };
    NAMES.addresses(&name, PATIENCE).into_iter().find(fits)
}

#[derive(Debug, Default)]
struct Names {
    known: Mutex<HashMap<String, Known>>,
    answered: Condvar,
}

#[derive(Debug)]
enum Known {
    Asked,
    Answered(Vec<IpAddr>, Instant),
}

impl Names {
    fn addresses(&'static self, name: &str, patience: Duration) -> Vec<IpAddr> {
        let until = Instant::now() + patience;
        let mut known = self.known.lock();
        loop {
            match known.get(name) {
                Some(Known::Answered(found, at)) if is_fresh(found, *at) => return found.clone(),
                Some(Known::Asked) => {
                    if self.answered.wait_until(&mut known, until).timed_out() {
                        tracing::warn!(name, "the name server has not answered in time");
                        return Vec::new();
                    }
                }
                _ => {
                    if !make_room(&mut known) {
                        return Vec::new();
                    }
                    known.insert(name.to_owned(), Known::Asked);
                    let asked = name.to_owned();
                    let ask = move || self.answer(asked, resolve);
                    let thread = std::thread::Builder::new().name("names".to_owned()).spawn(ask);
                    if thread.is_err() {
                        known.remove(name);
                        return Vec::new();
                    }
                }
            }
        }
    }

    fn answer(&self, name: String, resolve: impl FnOnce(&str) -> Vec<IpAddr>) {
        let begun = Instant::now();
        let found = resolve(&name);
        let (took, slow) = (begun.elapsed(), SLOW_MICROS.load(Relaxed));
        if slow > 0 && took.as_micros() > slow.into() {
            tracing::warn!(%name, millis = took.as_millis(), "a slow answer of the name server");
        }
        self.known.lock().insert(name, Known::Answered(found, Instant::now()));
        self.answered.notify_all();
    }
}

fn resolve(name: &str) -> Vec<IpAddr> {
    let found = (name, 0).to_socket_addrs();
    found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default()
}

fn is_fresh(found: &[IpAddr], at: Instant) -> bool {
    at.elapsed() < if found.is_empty() { FRESH_NONE } else { FRESH }
}

/// Whether one more name may be asked for.
fn make_room(known: &mut HashMap<String, Known>) -> bool {
    let asked = known.values().filter(|known| matches!(known, Known::Asked)).count();
    if asked >= ASKED_MAX {
        return false;
    }
    if known.len() >= NAMES_MAX {
        known.retain(|_, known| match known {
            Known::Asked => true,
            Known::Answered(found, at) => is_fresh(found, *at),
        });
    }
    known.len() < NAMES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(name: &str, family: Family) -> String {
        host(name.as_bytes(), family).map_or("none".to_owned(), |ip| ip.to_string())
    }

    /// spec/script.md §9.2: addresses are their own; some names need no name server.
    #[test]
    fn what_needs_no_name_server() {
        assert_eq!(show("192.0.2.1", Family::Any), "192.0.2.1");
        assert_eq!(show("[2001:db8::1]", Family::V6), "2001:db8::1");
        assert_eq!(show("localhost", Family::Any), "127.0.0.1");
        assert_eq!(show("sip.LocalHost.", Family::V6), "::1");
        assert_eq!(show("nowhere.invalid", Family::Any), "none");
        for bad in ["", "a b", "a/b", &"x".repeat(300)] {
            assert_eq!(show(bad, Family::Any), "none", "{bad}");
        }
    }

    #[test]
    fn an_answer_is_there_for_all_who_wait_and_the_next_who_ask() {
        let names: &'static Names = Box::leak(Box::default());
        names.known.lock().insert("a.test".to_owned(), Known::Asked);
        let waiting: Vec<_> = (0..2)
            .map(|_| std::thread::spawn(|| names.addresses("a.test", Duration::from_secs(60))))
            .collect();
        let address = IpAddr::from([192, 0, 2, 1]);
        names.answer("a.test".to_owned(), |_| vec![address]);
        for thread in waiting {
            assert_eq!(thread.join().unwrap(), [address]);
        }
        assert_eq!(names.addresses("a.test", Duration::ZERO), [address]);
    }

    #[test]
    fn a_silent_name_server_costs_the_patience_alone() {
        let names: &'static Names = Box::leak(Box::default());
        names.known.lock().insert("a.test".to_owned(), Known::Asked);
        assert_eq!(names.addresses("a.test", Duration::from_millis(1)), [] as [IpAddr; 0]);
    }

    #[test]
    fn names_are_bounded() {
        let mut known = HashMap::new();
        for number in 0..ASKED_MAX {
            assert!(make_room(&mut known));
            known.insert(number.to_string(), Known::Asked);
        }
        assert!(!make_room(&mut known));
        let now = Instant::now();
        let many = (0..NAMES_MAX).map(|number| number.to_string());
        known = many.map(|name| (name, Known::Answered(vec![[1, 2, 3, 4].into()], now))).collect();
        assert!(!make_room(&mut known));
    }
}
