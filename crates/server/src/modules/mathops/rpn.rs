//! Arithmetic in reverse Polish notation: `1 3 / exp ln`. Values go onto a stack, and what follows
//! works on its top.

use std::f64::consts::{E, PI};

/// How many values may lie on the stack.
const STACK_MAX: usize = 256;

/// The value of an expression; `None` if it makes no sense, leaves more than one value, or that is
/// not finite.
pub(super) fn evaluate(text: &str) -> Option<f64> {
    let mut stack = Vec::new();
    for word in text.split_ascii_whitespace() {
        step(&mut stack, word)?;
        if stack.len() > STACK_MAX {
            return None;
        }
    }
    match stack[..] {
        [value] if value.is_finite() => Some(value),
        _ => None,
    }
}

fn step(stack: &mut Vec<f64>, word: &str) -> Option<()> {
    if let Some(two) = of_two(word) {
        let (second, first) = (stack.pop()?, stack.pop()?);
        stack.push(two(first, second));
    } else if let Some(one) = of_one(word) {
        let value = stack.pop()?;
        stack.push(one(value));
    } else {
        match word {
            "e" => stack.push(E),
            "pi" => stack.push(PI),
            "drop" => drop(stack.pop()?),
            "dup" => stack.push(*stack.last()?),
            "swap" => {
                let below = stack.len().checked_sub(2)?;
                stack.swap(below, below + 1);
            }
            number => stack.push(self::number(number)?),
        }
    }
    Some(())
}

/// Digits with or without a sign, a point and an exponent; no other words that a `f64` can be.
fn number(word: &str) -> Option<f64> {
    let first = word.trim_start_matches(['+', '-']).bytes().next()?;
    (first.is_ascii_digit() || first == b'.').then(|| word.parse().ok())?
}

fn of_two(word: &str) -> Option<fn(f64, f64) -> f64> {
    Some(match word {
        "+" => |a, b| a + b,
        "-" => |a, b| a - b,
        "*" => |a, b| a * b,
        "/" => |a, b| a / b,
        "mod" => |a, b| a % b,
        "pow" => f64::powf,
        _ => return None,
    })
}

fn of_one(word: &str) -> Option<fn(f64) -> f64> {
    Some(match word {
        "neg" => |a| -a,
        "exp" => f64::exp,
        "ln" => f64::ln,
        "log10" => f64::log10,
        "abs" => f64::abs,
        "sqrt" => f64::sqrt,
        "cbrt" => f64::cbrt,
        "floor" => f64::floor,
        "ceil" => f64::ceil,
        "round" => f64::round,
        "nearbyint" => f64::round_ties_even,
        "trunc" => f64::trunc,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_does_its_work() {
        for (text, value) in [
            ("5", 5.0),
            ("-1.5e2", -150.0),
            (" 1  2 + ", 3.0),
            ("10 4 -", 6.0),
            ("2 3 *", 6.0),
            ("7 2 /", 3.5),
            ("7 4 mod", 3.0),
            ("2 10 pow", 1024.0),
            ("3 neg abs", 3.0),
            ("2 exp ln", 2.0),
            ("1000 log10", 3.0),
            ("16 sqrt", 4.0),
            ("27 cbrt", 3.0),
            ("2.7 floor", 2.0),
            ("2.2 ceil", 3.0),
            ("2.5 round", 3.0),
            ("2.5 nearbyint", 2.0),
            ("-2.7 trunc", -2.0),
            ("e ln", 1.0),
            ("pi 0 *", 0.0),
            ("4 dup *", 16.0),
            ("1 2 swap -", 1.0),
            ("1 2 drop", 1.0),
            ("1 3 swap swap dup drop / exp ln 1 swap /", 3.0),
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
            "drop",
            "dup",
            "1 swap",
            "1 0 /",
            "-1 sqrt",
            "x",
            "inf",
            "nan",
            "1e",
            "1,5",
            "infinity neg",
        ] {
            assert_eq!(evaluate(text), None, "{text}");
        }
        assert_eq!(evaluate(&"1 ".repeat(STACK_MAX + 1)), None);
        let fits = format!("{}{}", "1 ".repeat(STACK_MAX), "+ ".repeat(STACK_MAX - 1));
        assert_eq!(evaluate(&fits), Some(256.0));
    }
}
