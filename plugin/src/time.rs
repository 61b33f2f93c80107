//! Points in time, to the second, in UTC.
//!
//! State and requests spell them as RFC 3339 does: `2026-01-12T06:00:00Z`. Registries write
//! fractions and offsets too; those are read, and the time is rounded down.

use std::fmt;

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// Reads RFC 3339; `None` for anything else. A leap second counts as the one before it.
    pub fn parse(text: &str) -> Option<Time> {
        let bytes = text.as_bytes();
        let number = |at: usize, length: usize| -> Option<i64> {
            let digits = bytes.get(at..at + length)?;
            let add =
                |sum: i64, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0'));
            digits.iter().try_fold(0, add)
        };
        let is = |at: usize, set: &[u8]| bytes.get(at).is_some_and(|byte| set.contains(byte));
        if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
            return None;
        }
        let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
        let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
        if !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let mut at = 19;
        if is(at, b".") {
            let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            at += 1 + digits;
        }
        let offset = if is(at, b"Zz") && bytes.len() == at + 1 {
            0
        } else if is(at, b"+-") && is(at + 3, b":") && bytes.len() == at + 6 {
            let (hours, minutes) = (number(at + 1, 2)?, number(at + 4, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if bytes[at] == b'-' { -60 } else { 60 }
        } else {
            return None;
        };
        let days = days_before(year, month) + day - 1;
        Some(Time(days * DAY + hour * 3600 + minute * 60 + second.min(59) - offset))
    }

    /// So many seconds later.
    #[must_use]
    pub fn plus(self, seconds: u64) -> Time {
        // What a duration can hold, 292 years, leaves room.
        Time(self.0.saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Beyond these RFC 3339 has no spelling.
        let seconds = self.0.clamp(-62_167_219_200, 253_402_300_799);
        let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        // A year has 365 days or one more, so this is at most six years too late, or too early before 1970.
        let mut year = 1970 + days.div_euclid(365);
        while days_before(year, 1) > days {
            year -= 1;
        }
        while days_before(year + 1, 1) <= days {
            year += 1;
        }
        let mut month = 1;
        while month < 12 && days_before(year, month + 1) <= days {
            month += 1;
        }
        let day = days - days_before(year, month) + 1;
        let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to the first of a month, in the Gregorian calendar.
fn days_before(year: i64, month: i64) -> i64 {
    let years = year - 1;
    let leap_days = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    // 719,162 days lie between 0001-01-01 and 1970-01-01.
    let first = years * 365 + leap_days - 719_162;
    (1..month).fold(first, |days, month| days + days_of(year, month))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, seconds: i64) {
        assert_eq!(Time::parse(text), Some(Time(seconds)), "{text}");
    }

    #[test]
    fn reads_what_state_and_registries_write() {
        check("1970-01-01T00:00:00Z", 0);
        check("2026-01-12T06:00:00Z", 1_768_197_600);
        check("2026-01-12T07:30:00.123456789+01:30", 1_768_197_600);
        check("2026-01-12t04:00:00-02:00", 1_768_197_600);
        check("1969-12-31T23:59:59Z", -1);
        check("2024-02-29T23:59:60Z", 1_709_251_199);
        check("0000-01-01T00:00:00Z", -62_167_219_200);
        check("9999-12-31T23:59:59Z", 253_402_300_799);
        for text in [
            "",
            "2026-01-12",
            "2026-01-12T06:00:00",
            "2026-01-12T06:00Z",
            "2026-13-12T06:00:00Z",
            "2026-02-29T06:00:00Z",
            "2026-01-00T06:00:00Z",
            "2026-01-12T24:00:00Z",
            "2026-01-12T06:00:00.Z",
            "2026-01-12T06:00:00Z ",
            "2026-01-12T06:00:00+0100",
            "+026-01-12T06:00:00Z",
            "2026-01-12T06:00:0éZ",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
    }

    #[test]
    fn printing_then_reading_gives_the_time_back() {
        for seconds in (-62_167_219_200..253_402_300_800).step_by(86_399 * 997) {
            let text = Time(seconds).to_string();
            assert_eq!(Time::parse(&text), Some(Time(seconds)), "{text}");
        }
        assert_eq!(Time(i64::MAX).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(Time(i64::MIN).to_string(), "0000-01-01T00:00:00Z");
    }
}
