//! Arithmetic with fractions: `(1 + 2.5) * sqrt(2) ^ 3`.
//!
//! The rules are those of tinyexpr, which OpenSIPS uses: `^` goes from left to right, and a sign
//! binds tighter than all else, so that `-2^2` is 4.

/// How deep parentheses, functions and signs may nest.
const DEPTH_MAX: usize = 64;

/// The value of an expression; `None` if it makes no sense or has no finite value.
pub(super) fn evaluate(text: &str) -> Option<f64> {
    let mut parser = Parser { rest: text.trim() };
    let value = parser.sum(0)?;
    (parser.rest.is_empty() && value.is_finite()).then_some(value)
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    /// sum := product { ("+" | "-") product }
    fn sum(&mut self, depth: usize) -> Option<f64> {
        let mut value = self.product(depth)?;
        while let Some(sign) = self.take(&['+', '-']) {
            let right = self.product(depth)?;
            value = if sign == '+' { value + right } else { value - right };
        }
        Some(value)
    }

    /// product := power { ("*" | "/" | "%") power }
    fn product(&mut self, depth: usize) -> Option<f64> {
        let mut value = self.power(depth)?;
        while let Some(sign) = self.take(&['*', '/', '%']) {
            let right = self.power(depth)?;
            value = match sign {
                '*' => value * right,
                '/' => value / right,
                _ => value % right,
            };
        }
        Some(value)
    }

    /// power := signed { "^" signed }
    fn power(&mut self, depth: usize) -> Option<f64> {
        let mut value = self.signed(depth)?;
        while self.take(&['^']).is_some() {
            value = value.powf(self.signed(depth)?);
        }
        Some(value)
    }

    /// signed := { "+" | "-" } operand
    fn signed(&mut self, depth: usize) -> Option<f64> {
        let mut negative = false;
        while let Some(sign) = self.take(&['+', '-']) {
            negative ^= sign == '-';
        }
        let value = self.operand(depth)?;
        Some(if negative { -value } else { value })
    }

    /// operand := number | "(" sum ")" | function "(" sum ")" | "pi" | "e"
    fn operand(&mut self, depth: usize) -> Option<f64> {
        if depth > DEPTH_MAX {
            return None;
        }
        if self.take(&['(']).is_some() {
            return self.inside(depth);
        }
        let name = self.word(|byte| byte.is_ascii_alphabetic());
        match name {
            "" => self.number(),
            "pi" => Some(std::f64::consts::PI),
            "e" => Some(std::f64::consts::E),
            name => {
                let function = function(name)?;
                self.take(&['('])?;
                Some(function(self.inside(depth)?))
            }
        }
    }

    /// The rest of a parenthesis that was opened.
    fn inside(&mut self, depth: usize) -> Option<f64> {
        let value = self.sum(depth + 1)?;
        self.take(&[')']).map(|_| value)
    }

    fn number(&mut self) -> Option<f64> {
        let mantissa = self.word(|byte| byte.is_ascii_digit() || byte == b'.');
        let mut value: f64 = mantissa.parse().ok()?;
        if let Some(rest) = self.rest.strip_prefix(['e', 'E']) {
            let signed = rest.strip_prefix(['+', '-']).unwrap_or(rest);
            let digits = signed.bytes().take_while(u8::is_ascii_digit).count();
            let len = rest.len() - signed.len() + digits;
            value = format!("{mantissa}e{}", &rest[..len]).parse().ok()?;
            self.rest = &rest[len..];
        }
        Some(value)
    }

    fn take(&mut self, signs: &[char]) -> Option<char> {
        self.rest = self.rest.trim_start();
        let sign = self.rest.chars().next().filter(|sign| signs.contains(sign))?;
        self.rest = &self.rest[sign.len_utf8()..];
        Some(sign)
    }

    fn word(&mut self, belongs: fn(u8) -> bool) -> &'a str {
        self.rest = self.rest.trim_start();
        let len = self.rest.bytes().take_while(|&byte| belongs(byte)).count();
        let (word, rest) = self.rest.split_at(len);
        self.rest = rest;
        word
    }
}

fn function(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "acos" => f64::acos,
        "asin" => f64::asin,
        "atan" => f64::atan,
        "ceil" => f64::ceil,
        "cos" => f64::cos,
        "cosh" => f64::cosh,
        "exp" => f64::exp,
        "floor" => f64::floor,
        "ln" => f64::ln,
        "log" => f64::log10,
        "sin" => f64::sin,
        "sinh" => f64::sinh,
        "sqrt" => f64::sqrt,
        "tan" => f64::tan,
        "tanh" => f64::tanh,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_is_the_usual_one() {
        for (text, value) in [
            ("1", 1.0),
            (" 2 + 3 * 4 ", 14.0),
            ("(2 + 3) * 4", 20.0),
            ("10 - 2 - 3", 5.0),
            ("7 % 4 / 2", 1.5),
            ("2 ^ 3 ^ 2", 64.0),
            ("-2 ^ 2", 4.0),
            ("2 * -3", -6.0),
            ("--2", 2.0),
            ("1.5e3 + .5", 1500.5),
            ("1e-2", 0.01),
            ("sqrt(16) + abs(-2) + floor(1.9)", 7.0),
            ("log(1000) + ln(e)", 4.0),
            ("cos(pi)", -1.0),
        ] {
            let found = evaluate(text).unwrap_or_else(|| panic!("{text} has a value"));
            assert!((found - value).abs() < 1e-9, "{text} is {value}, not {found}");
        }
    }

    #[test]
    fn what_has_no_value_has_none() {
        for text in [
            "",
            "+",
            "1 +",
            "1 2",
            "(1",
            "1)",
            "x",
            "sqrt 4",
            "sqrt()",
            "nothing(1)",
            "1..2",
            "1e",
            "1 / 0",
            "sqrt(-1)",
            "10 ^ 1000",
            "0x10",
            "1é",
        ] {
            assert_eq!(evaluate(text), None, "{text}");
        }
        assert_eq!(evaluate(&"(".repeat(100_000)), None);
        assert_eq!(evaluate(&format!("{}1", "-".repeat(100_001))), Some(-1.0));
    }
}
