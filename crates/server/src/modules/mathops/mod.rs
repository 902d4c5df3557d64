//! `mathops`: arithmetic with fractions. Scripts have whole numbers only, so what goes in and comes
//! out is text.

mod expression;
mod rpn;

use duologue_script::{Args, Called, Param, ParamKind, RouteKinds, Value};

use crate::context::Context;
use crate::module::{Function, Module, Parameter, Parameters, Settings};
use expression::evaluate;

const STR: Param = Param::new(ParamKind::Str);
const VAR: Param = Param::new(ParamKind::Var);
const INT: Param = Param::new(ParamKind::Int);
const OPTIONAL_INT: Param = Param::optional(ParamKind::Int);
const ANY: RouteKinds = RouteKinds::all();

/// The most digits behind the point: a double has no more to tell.
const DIGITS_MAX: u32 = 15;

/// The declaration.
pub static MODULE: Module = Module {
    name: "mathops",
    functions: &[
        Function::new("math_eval", &[STR, VAR], ANY, eval).checked(check),
        Function::new("math_rpn", &[STR, VAR], ANY, rpn).checked(check_rpn),
        Function::new("math_compare", &[STR, STR, VAR], ANY, compare).checked(check_both),
        Function::new("math_trunc", &[STR, VAR], ANY, trunc).checked(check),
        Function::new("math_floor", &[STR, VAR], ANY, floor).checked(check),
        Function::new("math_ceil", &[STR, VAR], ANY, ceil).checked(check),
        Function::new("math_round", &[STR, VAR, OPTIONAL_INT], ANY, round).checked(check),
        Function::new("math_round_sf", &[STR, VAR, INT], ANY, round_significant).checked(check),
    ],
    parameters: &[Parameter::int("decimal_digits")],
    configure,
    ..Module::EMPTY
};

/// The module's parameters.
#[derive(Clone, Copy, Debug)]
pub struct MathopsSettings {
    /// The digits behind the point of what `math_eval()` and `math_rpn()` find.
    pub decimal_digits: u32,
}

fn configure(parameters: &Parameters<'_>) -> Result<Settings, String> {
    let decimal_digits = parameters.at_least("decimal_digits", 6, 0)?;
    if decimal_digits > DIGITS_MAX {
        return Err(format!("decimal_digits is at most {DIGITS_MAX}"));
    }
    Ok(Box::new(MathopsSettings { decimal_digits }))
}

/// Tries a literal expression when the script loads, unless variables are still to be put in.
fn check(index: usize, text: &str) -> Result<(), String> {
    match index {
        0 if !text.contains('$') && evaluate(text).is_none() => {
            Err(format!("\"{text}\" has no value"))
        }
        _ => Ok(()),
    }
}

/// The same for both expressions of `math_compare()`.
fn check_both(index: usize, text: &str) -> Result<(), String> {
    check(if index < 2 { 0 } else { index }, text)
}

/// The same for the expression of `math_rpn()`.
fn check_rpn(index: usize, text: &str) -> Result<(), String> {
    match index {
        0 if !text.contains('$') && rpn::evaluate(text).is_none() => {
            Err(format!("\"{text}\" has no value"))
        }
        _ => Ok(()),
    }
}

fn eval(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let value = value(args, 0, evaluate).map(|value| (value, decimal_digits(ctx)));
    store(ctx, args, value)
}

fn rpn(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let value = value(args, 0, rpn::evaluate).map(|value| (value, decimal_digits(ctx)));
    store(ctx, args, value)
}

/// 1, 0 or −1 goes into the third argument: the first expression is more, the same or less.
fn compare(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let order = match (value(args, 0, evaluate), value(args, 1, evaluate)) {
        (Some(first), Some(second)) => first.partial_cmp(&second),
        _ => None,
    };
    let Some(order) = order else { return Called::Value(-1) };
    let stored = args.store(ctx, 2, Value::Int(order as i32)).is_ok();
    Called::Value(if stored { 1 } else { -1 })
}

fn trunc(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let value = value(args, 0, evaluate).map(|value| (value.trunc(), 0));
    store(ctx, args, value)
}

fn floor(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let value = value(args, 0, evaluate).map(|value| (value.floor(), 0));
    store(ctx, args, value)
}

fn ceil(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let value = value(args, 0, evaluate).map(|value| (value.ceil(), 0));
    store(ctx, args, value)
}

/// To so many digits behind the point, none if nothing is said.
fn round(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let digits = u32::try_from(args.int(2).unwrap_or_default()).ok();
    let value = value(args, 0, evaluate).and_then(|value| rounded(value, digits?));
    store(ctx, args, value)
}

/// To so many digits that matter.
fn round_significant(ctx: &mut Context<'_>, args: &mut Args<'_>) -> Called {
    let figures = args.int(2).and_then(|figures| u32::try_from(figures).ok());
    let value = value(args, 0, evaluate).and_then(|value| significant(value, figures?));
    store(ctx, args, value)
}

/// What an argument is worth.
fn value(args: &Args<'_>, position: usize, evaluate: fn(&str) -> Option<f64>) -> Option<f64> {
    args.str(position).and_then(|text| std::str::from_utf8(text).ok()).and_then(evaluate)
}

fn decimal_digits(ctx: &Context<'_>) -> u32 {
    ctx.turn.node.settings::<MathopsSettings>().decimal_digits
}

/// Puts a number, shown with so many digits behind the point, into the second argument.
fn store(ctx: &mut Context<'_>, args: &mut Args<'_>, found: Option<(f64, u32)>) -> Called {
    let Some((value, digits)) = found else { return Called::Value(-1) };
    let shown = shown(value, digits);
    let stored = args.store(ctx, 1, Value::Str(shown.as_bytes())).is_ok();
    Called::Value(if stored { 1 } else { -1 })
}

fn shown(value: f64, digits: u32) -> String {
    // No minus before a zero.
    let shown = format!("{value:.*}", digits as usize);
    let zero = shown.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    if zero { shown.trim_start_matches('-').to_owned() } else { shown }
}

/// Half away from zero.
fn rounded(value: f64, digits: u32) -> Option<(f64, u32)> {
    let scale = 10f64.powi(i32::try_from(digits).ok().filter(|_| digits <= DIGITS_MAX)?);
    let scaled = (value * scale).round() / scale;
    // Beyond what a double can scale there is nothing to round.
    Some((if scaled.is_finite() { scaled } else { value }, digits))
}

fn significant(value: f64, figures: u32) -> Option<(f64, u32)> {
    let figures = i32::try_from(figures).ok().filter(|figures| (1..=15).contains(figures))?;
    if value == 0.0 {
        return Some((0.0, 0));
    }
    let behind = figures - 1 - (value.abs().log10().floor() as i32);
    match u32::try_from(behind) {
        Ok(digits) => rounded(value, digits.min(DIGITS_MAX)),
        Err(_) => {
            let scale = 10f64.powi(-behind);
            Some(((value / scale).round() * scale, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_shown() {
        let round = |value, digits| rounded(value, digits).map(|(value, at)| shown(value, at));
        assert_eq!(round(2.5, 0).as_deref(), Some("3"));
        assert_eq!(round(-2.5, 0).as_deref(), Some("-3"));
        assert_eq!(round(2.71528, 2).as_deref(), Some("2.72"));
        assert_eq!(round(-0.2, 0).as_deref(), Some("0"));
        assert_eq!(round(1.0, 16), None);
        let figures = |value, n| significant(value, n).map(|(value, at)| shown(value, at));
        assert_eq!(figures(123_456.0, 2).as_deref(), Some("120000"));
        assert_eq!(figures(0.012_345, 3).as_deref(), Some("0.0123"));
        assert_eq!(figures(9.99, 2).as_deref(), Some("10.0"));
        assert_eq!(figures(0.0, 3).as_deref(), Some("0"));
        assert_eq!(figures(1.0, 0), None);
    }
}
