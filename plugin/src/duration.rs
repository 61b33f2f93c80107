//! Lengths of time, as people write them and as Kargo reads them.
//!
//! images.yaml says `7d`, which Go, and so Kargo, does not know; Kargo's objects say `168h0m0s`,
//! the only spelling that its webhook leaves as it is. The grammar is that of Go's
//! `time.ParseDuration` (read in Go 1.26.8) without signs, and with days and weeks:
//!
//! ```text
//! duration = "0" / 1*( number unit )
//! number   = 1*digit [ "." *digit ] / "." 1*digit
//! unit     = "w" / "d" / "h" / "m" / "s" / "ms" / "us" / "µs" / "ns"
//! ```
//!
//! A day is 24 hours. There are no months and years, since those have no fixed length.

use std::fmt;
use std::ops::Range;

use thiserror::Error;

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
/// What Go's `time.Duration` holds: some 292 years.
const LONGEST: u64 = i64::MAX as u64;

/// A length of time in whole nanoseconds, never negative, at most what Go's `time.Duration` holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    nanoseconds: u64,
}

/// Why a text is no duration, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct DurationError {
    /// What is wrong.
    pub kind: DurationErrorKind,
    /// The bytes of the text that are meant; empty at its end.
    pub span: Range<usize>,
    /// What to write instead.
    pub hint: String,
}

/// What can be wrong with a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DurationErrorKind {
    /// Nothing at all.
    #[error("the duration is empty")]
    Empty,
    /// `-7d`, `+7d`
    #[error("a duration has no sign")]
    Sign,
    /// `d`, `P7D`
    #[error("a duration begins with a number")]
    NoNumber,
    /// `7`
    #[error("the number has no unit")]
    NoUnit,
    /// `7days`, `7D`, `7 d`
    #[error("the units of a duration are w, d, h, m, s, ms, us and ns")]
    UnknownUnit,
    /// `1M`, `1mo`, `1y`
    #[error("months and years have no fixed length")]
    Calendar,
    /// `0.5ns`
    #[error("a duration is a whole number of nanoseconds")]
    TooFine,
    /// `400000w`
    #[error("a duration is at most 292 years long")]
    TooLong,
    /// `500ms` where Kargo wants an interval.
    #[error("an interval is at least one second long")]
    BelowSecond,
}

impl Duration {
    /// So many seconds; `None` beyond the 292 years that Go can count.
    pub const fn from_seconds(seconds: u64) -> Option<Self> {
        match seconds.checked_mul(SECOND) {
            Some(nanoseconds) if nanoseconds <= LONGEST => Some(Duration { nanoseconds }),
            _ => None,
        }
    }

    /// The whole seconds of it.
    pub const fn seconds(self) -> u64 {
        self.nanoseconds / SECOND
    }

    /// All of it, in nanoseconds.
    pub const fn nanoseconds(self) -> u64 {
        self.nanoseconds
    }

    /// Reads what people write: `7d`, `1h30m`, `1.5h`, `5m0s`, `0`.
    ///
    /// # Errors
    /// The first thing that is wrong, with what was probably meant as its hint.
    pub fn parse(text: &str) -> Result<Self, DurationError> {
        parse(text).map_err(|(kind, span)| DurationError { kind, span, hint: hint(kind, text) })
    }

    /// Go's own spelling (`Duration.String`), which Kargo's webhook leaves as it is: `168h0m0s`,
    /// `5m0s`, `1.5s`, `0s`.
    pub fn to_go(self) -> String {
        let nanoseconds = self.nanoseconds;
        if nanoseconds == 0 {
            return "0s".to_owned();
        }
        if nanoseconds < SECOND {
            let (unit, name) = match nanoseconds {
                MILLISECOND.. => (MILLISECOND, "ms"),
                1_000.. => (1_000, "µs"),
                _ => (1, "ns"),
            };
            return decimal(nanoseconds, unit, name);
        }
        let (hours, minutes) = (nanoseconds / HOUR, nanoseconds % HOUR / MINUTE);
        let seconds = decimal(nanoseconds % MINUTE, SECOND, "s");
        match (hours, minutes) {
            (0, 0) => seconds,
            (0, minutes) => format!("{minutes}m{seconds}"),
            (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
        }
    }

    /// The shortest of our spellings without weeks: `7d`, `1h30m`, `1d12h`, `1.5s`.
    pub fn to_human(self) -> String {
        if self.nanoseconds < SECOND {
            return self.to_go().replace('µ', "u");
        }
        let mut text = String::new();
        let mut rest = self.nanoseconds;
        for (unit, name) in [(DAY, "d"), (HOUR, "h"), (MINUTE, "m")] {
            if rest >= unit {
                text += &format!("{}{name}", rest / unit);
            }
            rest %= unit;
        }
        if rest > 0 {
            text += &decimal(rest, SECOND, "s");
        }
        text
    }

    /// The same, where it is to be an interval or a delay of Kargo's.
    ///
    /// Kargo's pattern is `^([0-9]+(\.[0-9]+)?(s|m|h))+$` (Warehouse CRD, v1.11.2), so it has no
    /// milliseconds; and no time at all would be no interval.
    ///
    /// # Errors
    /// Below one second.
    pub fn interval(self) -> Result<Self, DurationError> {
        if self.nanoseconds >= SECOND {
            return Ok(self);
        }
        let kind = DurationErrorKind::BelowSecond;
        Err(DurationError { kind, span: 0..self.to_human().len(), hint: hint(kind, "") })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_human())
    }
}

impl std::str::FromStr for Duration {
    type Err = DurationError;
    fn from_str(text: &str) -> Result<Self, DurationError> {
        Duration::parse(text)
    }
}

/// `nanoseconds` in a unit, with as many decimals as it takes: `1.5s`.
fn decimal(nanoseconds: u64, unit: u64, name: &str) -> String {
    let (whole, rest) = (nanoseconds / unit, nanoseconds % unit);
    if rest == 0 {
        return format!("{whole}{name}");
    }
    let width = unit.ilog10() as usize;
    let decimals = format!("{rest:0width$}");
    format!("{whole}.{}{name}", decimals.trim_end_matches('0'))
}

fn parse(text: &str) -> Result<Duration, (DurationErrorKind, Range<usize>)> {
    use DurationErrorKind::*;
    if text.is_empty() {
        return Err((Empty, 0..0));
    }
    if text.starts_with(['-', '+']) {
        return Err((Sign, 0..1));
    }
    if text == "0" {
        return Ok(Duration::default());
    }
    let mut total: u64 = 0;
    let mut at = 0;
    while at < text.len() {
        let number = leading(&text[at..], |c| c.is_ascii_digit() || c == '.');
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && decimals.is_empty()) || decimals.contains('.') {
            let end = at + number.len().max(text[at..].chars().next().map_or(0, char::len_utf8));
            return Err((NoNumber, at..end));
        }
        let unit_start = at + number.len();
        let name = leading(&text[unit_start..], |c| !c.is_ascii_digit() && c != '.');
        let end = unit_start + name.len();
        let unit = match name {
            "" => return Err((NoUnit, at..end)),
            name => unit(name)
                .ok_or_else(|| (if is_calendar(name) { Calendar } else { UnknownUnit }, unit_start..end))?,
        };
        let part = nanoseconds(whole, decimals, unit).map_err(|kind| (kind, at..end))?;
        total = total.checked_add(part).filter(|total| *total <= LONGEST).ok_or((TooLong, 0..end))?;
        at = end;
    }
    Ok(Duration { nanoseconds: total })
}

fn nanoseconds(whole: &str, decimals: &str, unit: u64) -> Result<u64, DurationErrorKind> {
    let count = if whole.is_empty() { Ok(0) } else { whole.parse::<u64>() };
    let count = count.map_err(|_| DurationErrorKind::TooLong)?;
    let whole = count.checked_mul(unit).ok_or(DurationErrorKind::TooLong)?;
    // In units of 10^-18 ns, so that eighteen decimals are exact; more can't make whole nanoseconds.
    let mut fraction = 0;
    let mut tenth = u128::from(unit) * 10_u128.pow(18);
    for digit in decimals.trim_end_matches('0').bytes() {
        if !tenth.is_multiple_of(10) {
            return Err(DurationErrorKind::TooFine);
        }
        tenth /= 10;
        fraction += tenth * u128::from(digit - b'0');
    }
    if !fraction.is_multiple_of(10_u128.pow(18)) {
        return Err(DurationErrorKind::TooFine);
    }
    let fraction = u64::try_from(fraction / 10_u128.pow(18)).expect("a fraction is smaller than its unit");
    whole.checked_add(fraction).ok_or(DurationErrorKind::TooLong)
}

fn leading(text: &str, belongs: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !belongs(c)).unwrap_or(text.len())]
}

fn unit(name: &str) -> Option<u64> {
    Some(match name {
        "w" => WEEK,
        "d" => DAY,
        "h" => HOUR,
        "m" => MINUTE,
        "s" => SECOND,
        "ms" => MILLISECOND,
        // With the micro sign, and with the Greek letter that looks like it.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ns" => 1,
        _ => return None,
    })
}

fn is_calendar(name: &str) -> bool {
    let name = name.trim();
    name == "M"
        || matches!(singular(&name.to_ascii_lowercase()), "mo" | "mon" | "month" | "y" | "yr" | "year")
}

fn singular(name: &str) -> &str {
    if name.len() > 2 {
        name.trim_end_matches('s')
    } else {
        name
    }
}

/// What was probably meant.
fn hint(kind: DurationErrorKind, text: &str) -> String {
    match kind {
        DurationErrorKind::Empty => "write a number with a unit: `7d`".to_owned(),
        DurationErrorKind::Calendar => "write days, such as `30d` or `365d`; a minute is `1m`".to_owned(),
        DurationErrorKind::TooLong => "write a shorter one: `365d`".to_owned(),
        DurationErrorKind::BelowSecond => "write seconds, minutes or hours: `5m`".to_owned(),
        DurationErrorKind::NoUnit if text.len() < 4 && parse(&format!("{text}d")).is_ok() => {
            format!("write its unit: `{text}d`, `{text}h` or `{text}m`")
        }
        _ => match mended(text) {
            Some(mended) => format!("write `{mended}`"),
            None => "write numbers with units: `7d`, `1h30m`".to_owned(),
        },
    }
}

/// The same duration in our spelling, where words, capitals, blanks, a sign, a decimal comma or
/// ISO 8601 (`P7DT12H`) are all that is wrong with it.
fn mended(text: &str) -> Option<String> {
    if text.len() > 64 {
        return None;
    }
    let mut plain: String = text.trim_start_matches(['-', '+']).replace(',', ".").to_ascii_lowercase();
    if plain.starts_with('p') {
        plain = plain.replace(['p', 't'], "");
    }
    plain.retain(|c| !c.is_whitespace());
    let mut mended = String::new();
    let mut rest = plain.as_str();
    while !rest.is_empty() {
        let number = leading(rest, |c| c.is_ascii_digit() || c == '.');
        let name = leading(&rest[number.len()..], |c| !c.is_ascii_digit() && c != '.');
        rest = &rest[number.len() + name.len()..];
        let unit = match singular(name) {
            "wk" | "week" => "w",
            "day" => "d",
            "hr" | "hour" => "h",
            "min" | "minute" => "m",
            "sec" | "second" => "s",
            "msec" | "milli" | "millisecond" => "ms",
            "usec" | "micro" | "microsecond" => "us",
            "nsec" | "nano" | "nanosecond" => "ns",
            _ => name,
        };
        mended += number;
        mended += unit;
    }
    parse(&mended).ok().map(|_| mended)
}

#[cfg(test)]
mod tests {
    use super::DurationErrorKind::*;
    use super::*;
    use proptest::prelude::*;

    fn reads(text: &str, go: &str, human: &str) {
        let duration = Duration::parse(text).unwrap_or_else(|error| panic!("`{text}`: {error}"));
        assert_eq!((duration.to_go().as_str(), duration.to_human().as_str()), (go, human), "`{text}`");
    }

    fn refuses(text: &str, kind: DurationErrorKind, meant: &str, hint: &str) {
        let error = Duration::parse(text).expect_err(text);
        assert_eq!((error.kind, &text[error.span]), (kind, meant), "`{text}`");
        assert!(error.hint.contains(hint), "`{text}`: {}", error.hint);
    }

    #[test]
    fn reads_go_and_days_and_weeks() {
        reads("7d", "168h0m0s", "7d");
        reads("1w", "168h0m0s", "7d");
        reads("1d12h", "36h0m0s", "1d12h");
        reads("30d", "720h0m0s", "30d");
        reads("24h", "24h0m0s", "1d");
        reads("1h30m", "1h30m0s", "1h30m");
        reads("1.5h", "1h30m0s", "1h30m");
        reads("0.5d", "12h0m0s", "12h");
        reads(".5h", "30m0s", "30m");
        reads("1.h", "1h0m0s", "1h");
        reads("5m", "5m0s", "5m");
        reads("5m0s", "5m0s", "5m");
        reads("90s", "1m30s", "1m30s");
        reads("1500ms", "1.5s", "1.5s");
        reads("61.25s", "1m1.25s", "1m1.25s");
        reads("5m1h", "1h5m0s", "1h5m");
        reads("1h1h", "2h0m0s", "2h");
        reads("0", "0s", "0s");
        reads("0s", "0s", "0s");
        reads("0d", "0s", "0s");
        reads("1ns", "1ns", "1ns");
        reads("1500ns", "1.5µs", "1.5us");
        reads("1us", "1µs", "1us");
        reads("1\u{b5}s1\u{3bc}s", "2µs", "2us");
        reads("1.05ms", "1.05ms", "1.05ms");
        reads("1.000000001s", "1.000000001s", "1.000000001s");
        reads("1.0000000001h", "1h0m0.00000036s", "1h0.00000036s");
        reads("0.10000000000000000000000000000000000000000h", "6m0s", "6m");
        reads("106751d23h47m16.854775807s", "2562047h47m16.854775807s", "106751d23h47m16.854775807s");
    }

    #[test]
    fn says_what_was_meant() {
        refuses("", Empty, "", "`7d`");
        refuses("7", NoUnit, "7", "`7d`, `7h` or `7m`");
        refuses("1h30", NoUnit, "30", "`7d`, `1h30m`");
        refuses("00", NoUnit, "00", "`00d`");
        refuses("-7d", Sign, "-", "`7d`");
        refuses("+7d", Sign, "+", "`7d`");
        refuses("7days", UnknownUnit, "days", "`7d`");
        refuses("1 day", UnknownUnit, " day", "`1d`");
        refuses("2weeks", UnknownUnit, "weeks", "`2w`");
        refuses("1hour30minutes", UnknownUnit, "hour", "`1h30m`");
        refuses("30sec", UnknownUnit, "sec", "`30s`");
        refuses("7D", UnknownUnit, "D", "`7d`");
        refuses("1H", UnknownUnit, "H", "`1h`");
        refuses("1d 2d", UnknownUnit, "d ", "`1d2d`");
        refuses(" 7d", NoNumber, " ", "`7d`");
        refuses("7d ", UnknownUnit, "d ", "`7d`");
        refuses("1,5h", UnknownUnit, ",", "`1.5h`");
        refuses("P7D", NoNumber, "P", "`7d`");
        refuses("PT36H", NoNumber, "P", "`36h`");
        refuses("1M", Calendar, "M", "`30d`");
        refuses("1mo", Calendar, "mo", "`30d`");
        refuses("2 months", Calendar, " months", "`30d`");
        refuses("1y", Calendar, "y", "`365d`");
        refuses("1Year", Calendar, "Year", "`365d`");
        refuses("d", NoNumber, "d", "`7d`");
        refuses(".h", NoNumber, ".", "`7d`");
        refuses("1.2.3h", NoNumber, "1.2.3", "`7d`");
        refuses("soon", NoNumber, "s", "`7d`");
        refuses("7é", UnknownUnit, "é", "`7d`");
        refuses("1e3s", UnknownUnit, "e", "`7d`");
        refuses("1.5ns", TooFine, "1.5ns", "`7d`");
        refuses("0.33333333333333333333333333333h", TooFine, "0.33333333333333333333333333333h", "`7d`");
        refuses("106752d", TooLong, "106752d", "`365d`");
        refuses("1d106751d23h", TooLong, "1d106751d", "`365d`");
        refuses("2562047h47m16.854775808s", TooLong, "2562047h47m16.854775808s", "`365d`");
        refuses("99999999999999999999d", TooLong, "99999999999999999999d", "`365d`");
    }

    #[test]
    fn an_interval_is_at_least_a_second() {
        for text in ["0", "1ns", "500ms", "999.999999ms"] {
            let error = Duration::parse(text).and_then(Duration::interval).expect_err(text);
            assert_eq!(error.kind, BelowSecond);
        }
        assert_eq!(
            Duration::parse("1s").and_then(Duration::interval),
            Ok(Duration::from_seconds(1).unwrap())
        );
        assert_eq!(Duration::from_seconds(9_223_372_036).map(Duration::seconds), Some(9_223_372_036));
        assert_eq!(Duration::from_seconds(9_223_372_037), None);
    }

    proptest! {
        #[test]
        fn both_spellings_read_back(nanoseconds in prop_oneof![0..=LONGEST, 0..100 * SECOND, (0..1000 * DAY).prop_map(|n| n / MINUTE * MINUTE)]) {
            let duration = Duration { nanoseconds };
            prop_assert_eq!(Duration::parse(&duration.to_go()), Ok(duration));
            prop_assert_eq!(Duration::parse(&duration.to_human()), Ok(duration));
        }

        #[test]
        fn kargo_takes_every_interval(nanoseconds in prop_oneof![SECOND..=LONGEST, SECOND..100 * SECOND]) {
            let interval = Duration { nanoseconds }.interval().expect("it is at least a second");
            let pattern = regex_lite::Regex::new(r"^([0-9]+(\.[0-9]+)?(s|m|h))+$").expect("the pattern is a constant");
            prop_assert!(pattern.is_match(&interval.to_go()));
        }

        #[test]
        fn any_text_is_read_or_refused_in_place(text in r"[-+.,0-9 wdhmsnuPTMY\u{b5}é]{0,12}") {
            if let Err(error) = Duration::parse(&text) {
                prop_assert!(text.get(error.span).is_some());
                prop_assert!(!error.hint.is_empty());
            }
        }
    }
}
