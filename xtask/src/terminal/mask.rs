//! Names in the place of what is different every time.

use std::net::SocketAddr;

/// What is replaced.
pub(super) struct Mask {
    addresses: Vec<(String, &'static str)>,
}

impl Mask {
    /// Addresses get these names.
    pub(super) fn of<const N: usize>(addresses: [(SocketAddr, &'static str); N]) -> Self {
        let addresses = addresses.map(|(address, name)| (address.to_string(), name));
        Self { addresses: addresses.into() }
    }

    /// The text with names in it, one blank where there were many, and no empty lines: columns are
    /// as wide as what is in them, and a screen has more lines than are written on.
    pub(super) fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (address, name) in &self.addresses {
            text = text.replace(address, name);
        }
        let line = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let named = words
                .iter()
                .enumerate()
                .map(|(at, word)| name(word, words.get(at + 1).copied().unwrap_or_default()));
            format!("{}\n", named.collect::<Vec<_>>().join(" "))
        };
        text.lines().filter(|line| !line.trim().is_empty()).map(line).collect()
    }
}

/// The name of a word, or the word; some are known by the next one.
fn name<'a>(word: &'a str, next: &str) -> &'a str {
    let made_of = |characters: &str| word.chars().all(|one| characters.contains(one));
    let begins_with_digit = word.starts_with(|first: char| first.is_ascii_digit());
    match word {
        _ if word.ends_with("/s") => "RATE",
        _ if begins_with_digit && word.contains('-') && word.contains('@') => "CALL-ID",
        _ if word.len() == 8 && word.matches(':').count() == 2 && made_of("0123456789:") => "TIME",
        _ if word.matches('.').count() == 1 && made_of("0123456789abcdef.") => "ID",
        _ if next == "transactions" => "SOME",
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports;

    #[test]
    fn what_is_different_every_time_gets_a_name() {
        let mask = Mask::of([(ports::local(5070), "CALLEE")]);
        let text = "3f2.1a  confirmed   00:01:02  1-77@127.0.0.1  sip:a@127.0.0.1:5070\n \n\
                    4 transactions   1.5/s requests   -/s replies   2 active\n";
        assert_eq!(
            mask.apply(text),
            "ID confirmed TIME CALL-ID sip:a@CALLEE\n\
             SOME transactions RATE requests RATE replies 2 active\n"
        );
    }
}
