//! `resource.Quantity`: amounts such as `500m`, `1.5Gi` or `12e6`.
//!
//! Grammar and canonical form follow k8s.io/apimachinery `pkg/api/resource`. A quantity is kept
//! exactly, as an integer count of nano-units; what is finer is rounded up and what is larger than
//! the type holds is capped, both as the API server does.

use std::fmt;

use serde_json::Value;

/// Units of 10⁻⁹ in one.
const NANO: i128 = 1_000_000_000;
/// The largest whole amount that the API server keeps (2⁶³ − 1).
const MOST: i128 = i64::MAX as i128;
/// What the API server says of text that is no quantity.
pub(super) const FORM: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// How a quantity was written, which decides how it is written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Binary,
    DecimalSuffix,
    DecimalExponent,
}

/// An amount of a resource.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// The text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", FORM)]
pub struct QuantityError;

impl Quantity {
    /// The amount in units of 10⁻⁹.
    #[must_use]
    pub fn nanos(&self) -> i128 {
        self.nanos
    }

    /// Whether it is less than nothing.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// Whether it is a whole number of thousandths and those a whole number, as the server asks of
    /// extended resources: finer parts are rounded up first.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        div_ceil(self.nanos, NANO / 1000) % 1000 == 0
    }

    /// The amount rounded up to a whole number.
    #[must_use]
    pub fn whole(&self) -> i128 {
        div_ceil(self.nanos, NANO)
    }

    /// The sum of two amounts, capped; it keeps the form of the first.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Quantity { nanos: self.nanos.saturating_add(other.nanos), format: self.format }
    }

    /// A quantity as a manifest has it: a string or a JSON number.
    ///
    /// # Errors
    /// When it is neither, or not of the grammar.
    pub fn from_json(value: &Value) -> Result<Self, QuantityError> {
        match value {
            Value::String(text) => text.parse(),
            Value::Number(number) => number.to_string().parse(),
            _ => Err(QuantityError),
        }
    }
}

/// Nothing.
impl Default for Quantity {
    fn default() -> Self {
        Quantity { nanos: 0, format: Format::DecimalSuffix }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.nanos.partial_cmp(&other.nanos)
    }
}

impl std::str::FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let (negative, rest) = match text.as_bytes() {
            [b'-', ..] => (true, &text[1..]),
            [b'+', ..] => (false, &text[1..]),
            _ => (false, text),
        };
        let number_len = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (number, suffix) = rest.split_at(number_len);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(QuantityError);
        }
        let (scale, format) = parse_suffix(suffix)?;
        let nanos = scaled_nanos(whole, fraction, scale);
        Ok(Quantity { nanos: if negative { -nanos } else { nanos }, format })
    }
}

/// What a suffix multiplies by.
#[derive(Clone, Copy)]
enum Scale {
    Ten(i32),
    Two(u32),
}

fn parse_suffix(suffix: &str) -> Result<(Scale, Format), QuantityError> {
    let decimal = |power| Ok((Scale::Ten(power), Format::DecimalSuffix));
    let binary = |power| Ok((Scale::Two(power), Format::Binary));
    match suffix {
        "" => decimal(0),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError)?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(QuantityError);
            }
            // An exponent beyond an i32 caps or vanishes like any other huge one.
            let power = digits.parse::<i32>().unwrap_or(i32::MAX);
            let power = if exponent.starts_with('-') { -power } else { power };
            Ok((Scale::Ten(power), Format::DecimalExponent))
        }
    }
}

/// The digits as nano-units, rounded up, capped at the largest amount.
fn scaled_nanos(whole: &str, fraction: &str, scale: Scale) -> i128 {
    let fraction = fraction.trim_end_matches('0');
    let whole = whole.trim_start_matches('0');
    let (power, factor) = match scale {
        Scale::Ten(power) => (i64::from(power), 1),
        Scale::Two(bits) => (0, 1i128 << bits),
    };
    if whole.is_empty() && fraction.is_empty() {
        return 0;
    }
    // value = digits × 10^(power − fraction length) × factor; in nanos another 10^9.
    let shift = power - i64::try_from(fraction.len()).unwrap_or(i64::MAX) + 9;
    let digits = || whole.bytes().chain(fraction.bytes()).map(|b| i128::from(b - b'0'));
    let cap = MOST * NANO;
    let mut total: i128 = 0;
    if shift >= 0 {
        for digit in digits() {
            total = total.saturating_mul(10).saturating_add(digit);
        }
        for _ in 0..shift {
            if total > cap {
                break;
            }
            total = total.saturating_mul(10);
        }
        return total.saturating_mul(factor).min(cap);
    }
    // Digits below a nano are kept while the binary factor can still lift them, then rounded up.
    let drop = usize::try_from(-shift).unwrap_or(usize::MAX);
    let count = whole.len() + fraction.len();
    let guard = if factor > 1 { drop.min(12) } else { 0 };
    let keep = count.saturating_sub(drop - guard);
    let mut inexact = false;
    for (i, digit) in digits().enumerate() {
        if i < keep {
            total = total.saturating_mul(10).saturating_add(digit);
        } else {
            inexact |= digit != 0;
        }
    }
    // When every digit lies below what is kept, only the rounding is left.
    let scaled = total.saturating_mul(factor);
    let divisor = 10i128.pow(u32::try_from(guard).unwrap_or(0));
    let floor = scaled / divisor;
    floor.saturating_add(i128::from(inexact || scaled % divisor != 0)).min(cap)
}

/// Division that rounds away from zero, as the server rounds.
fn div_ceil(value: i128, by: i128) -> i128 {
    let quotient = value / by;
    if value % by == 0 { quotient } else { quotient + value.signum() }
}

/// The canonical form: the largest suffix that leaves a whole number.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        if self.format == Format::Binary && self.nanos % NANO == 0 && self.nanos.abs() >= 1024 * NANO {
            let mut amount = self.nanos / NANO;
            let mut suffix = "";
            for next in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] {
                if amount % 1024 != 0 {
                    break;
                }
                amount /= 1024;
                suffix = next;
            }
            return write!(f, "{amount}{suffix}");
        }
        let mut amount = self.nanos;
        let mut power = -9;
        while amount % 1000 == 0 && power < 18 {
            amount /= 1000;
            power += 3;
        }
        if self.format == Format::DecimalExponent {
            return if power == 0 { write!(f, "{amount}") } else { write!(f, "{amount}e{power}") };
        }
        let suffix = match power {
            -9 => "n",
            -6 => "u",
            -3 => "m",
            3 => "k",
            6 => "M",
            9 => "G",
            12 => "T",
            15 => "P",
            18 => "E",
            _ => "",
        };
        write!(f, "{amount}{suffix}")
    }
}
