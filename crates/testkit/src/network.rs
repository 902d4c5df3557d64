//! The virtual network: what is under way, how long it takes, and what goes wrong on the way.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use duologue_sip::Tick;

use crate::packets::Packets;
use crate::random::Random;
use crate::subject::Datagram;
use crate::text::Message;

/// How long a reordered packet is held back if nothing overtakes it earlier.
pub const REORDER_HOLD: Duration = Duration::from_millis(40);

/// Something that happens to one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It never arrives.
    Lose,
    /// It arrives twice.
    Duplicate,
    /// It takes this much longer, so that later ones overtake it.
    Delay(Duration),
}

impl Fault {
    /// Held back just long enough that packets sent soon after it overtake it.
    pub const REORDER: Self = Self::Delay(REORDER_HOLD);
}

/// How the network behaves when no particular fault was ordered. Chances are per mille.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// The time from sender to receiver.
    pub latency: Duration,
    /// Up to this much more, drawn for each packet. Anything above zero can reorder.
    pub jitter: Duration,
    /// How many of 1000 packets are lost.
    pub loss: u16,
    /// How many of 1000 packets arrive twice.
    pub duplication: u16,
    /// How many of 1000 packets are held back by [`REORDER_HOLD`].
    pub reordering: u16,
}

impl Default for Weather {
    /// Fair: five milliseconds, nothing lost, everything in order.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(5),
            jitter: Duration::ZERO,
            loss: 0,
            duplication: 0,
            reordering: 0,
        }
    }
}

/// What became of a packet when it was sent; the ladder shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) lost: bool,
    pub(crate) doubled: bool,
    pub(crate) held: bool,
}

/// Packets under way, ordered by arrival and, within one millisecond, by departure.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) weather: Weather,
    orders: Vec<Order>,
    under_way: BTreeMap<(Tick, u64), Datagram>,
    sent: u64,
}

/// A fault that waits for its packet.
#[derive(Debug)]
struct Order {
    packets: Packets,
    fault: Fault,
    /// How many matching packets pass before it strikes.
    skip: u32,
    /// How many it strikes then.
    strikes: u32,
}

impl Network {
    /// Orders `fault` for `strikes` matching packets after letting `skip` of them pass.
    pub(crate) fn order(&mut self, packets: Packets, fault: Fault, skip: u32, strikes: u32) {
        self.orders.push(Order { packets, fault, skip, strikes });
    }

    /// Forgets all orders that have not struck yet.
    pub(crate) fn clear_orders(&mut self) {
        self.orders.clear();
    }

    /// Orders that still wait for their packet.
    pub(crate) fn orders_open(&self) -> usize {
        self.orders.len()
    }

    /// Takes a packet from its sender.
    pub(crate) fn send(&mut self, now: Tick, random: &mut Random, datagram: Datagram) -> Fate {
        let weather = self.weather;
        let mut fate = Fate {
            lost: random.chance(weather.loss),
            doubled: random.chance(weather.duplication),
            held: random.chance(weather.reordering),
        };
        let mut delay = weather.latency;
        if !weather.jitter.is_zero() {
            let jitter = u64::try_from(weather.jitter.as_millis()).unwrap_or(u64::MAX);
            delay += Duration::from_millis(random.below(jitter.saturating_add(1)));
        }
        if fate.held {
            delay += REORDER_HOLD;
        }
        match self.strike(&datagram) {
            Some(Fault::Lose) => fate.lost = true,
            Some(Fault::Duplicate) => fate.doubled = true,
            Some(Fault::Delay(more)) => {
                fate.held = true;
                delay += more;
            }
            None => {}
        }
        if !fate.lost {
            if fate.doubled {
                self.put(now + delay, datagram.clone());
            }
            self.put(now + delay, datagram);
        }
        fate
    }

    /// When the next packet arrives.
    pub(crate) fn next_arrival(&self) -> Option<Tick> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next packet that has arrived by `now`.
    pub(crate) fn arrive(&mut self, now: Tick) -> Option<Datagram> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    fn put(&mut self, at: Tick, datagram: Datagram) {
        self.sent += 1;
        self.under_way.insert((at, self.sent), datagram);
    }

    /// The fault ordered for this packet, if any. Every matching order counts the packet; the
    /// oldest one that is due strikes.
    fn strike(&mut self, datagram: &Datagram) -> Option<Fault> {
        if self.orders.is_empty() {
            return None;
        }
        let message = Message::parse(&datagram.bytes).ok();
        let (from, to): (SocketAddr, SocketAddr) = (datagram.from, datagram.to);
        let mut struck = None;
        for order in &mut self.orders {
            if !order.packets.matches(from, to, message.as_ref()) {
                continue;
            }
            if order.skip > 0 {
                order.skip -= 1;
            } else if struck.is_none() {
                order.strikes -= 1;
                struck = Some(order.fault);
            }
        }
        self.orders.retain(|order| order.strikes > 0);
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(text: &str) -> Datagram {
        let address = |port| SocketAddr::from(([10, 0, 0, 1], port));
        Datagram { from: address(1), to: address(2), bytes: text.as_bytes().to_vec() }
    }

    fn arrivals(network: &mut Network) -> Vec<String> {
        let end = Tick::from_millis(1_000_000);
        std::iter::from_fn(|| network.arrive(end))
            .map(|datagram| String::from_utf8(datagram.bytes).unwrap())
            .collect()
    }

    #[test]
    fn fair_weather_keeps_packets_and_their_order() {
        let (mut network, mut random) = (Network::default(), Random::seeded(1));
        for text in ["a", "b", "c"] {
            network.send(Tick::ZERO, &mut random, packet(text));
        }
        assert_eq!(network.next_arrival(), Some(Tick::from_millis(5)));
        assert_eq!(network.arrive(Tick::from_millis(4)), None);
        assert_eq!(arrivals(&mut network), ["a", "b", "c"]);
    }

    #[test]
    fn an_order_strikes_its_packet_and_no_other() {
        let (mut network, mut random) = (Network::default(), Random::seeded(1));
        network.order(Packets::any(), Fault::Lose, 1, 1);
        network.order(Packets::any(), Fault::Duplicate, 2, 1);
        network.order(Packets::any(), Fault::REORDER, 0, 1);
        for text in ["a", "b", "c", "d"] {
            network.send(Tick::ZERO, &mut random, packet(text));
        }
        assert_eq!(arrivals(&mut network), ["c", "c", "d", "a"]);
        assert_eq!(network.orders_open(), 0);
    }

    #[test]
    fn bad_weather_comes_from_the_seed() {
        let run = |seed| {
            let (mut network, mut random) = (Network::default(), Random::seeded(seed));
            network.weather = Weather { loss: 200, duplication: 200, ..Weather::default() };
            for number in 0..50 {
                network.send(Tick::ZERO, &mut random, packet(&number.to_string()));
            }
            arrivals(&mut network)
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
