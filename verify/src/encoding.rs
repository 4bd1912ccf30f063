//! Spellings: each value has exactly one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A SHA-256 hash.
pub(crate) type Hash = [u8; 32];

/// What base64 of RFC 4648 section 4 with padding says.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let bytes = STANDARD.decode(text).ok()?;
    (STANDARD.encode(&bytes) == text).then_some(bytes)
}

/// The base64 of bytes.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// A hash in base64.
pub(crate) fn hash(text: &str) -> Option<Hash> {
    base64(text)?.try_into().ok()
}

/// A number in decimal without leading zeros or sign.
pub(crate) fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 16 bytes as a UUID is written.
pub(crate) fn uuid(bytes: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&hex(&[*byte]));
    }
    text
}

/// Microseconds since 1970 as RFC 3339 writes them, without needless zeros.
pub(crate) fn time(micros: i64) -> String {
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to a date of the Gregorian calendar, whose years are taken to begin in March.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    let clock = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    match fraction {
        0 => format!("{clock}Z"),
        _ => format!("{clock}.{}Z", format!("{fraction:06}").trim_end_matches('0')),
    }
}

/// Text for a terminal: nothing in it moves the cursor.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let check = |micros, text| assert_eq!(time(micros), text);
        check(0, "1970-01-01T00:00:00Z");
        check(-1, "1969-12-31T23:59:59.999999Z");
        check(951_782_400_000_000, "2000-02-29T00:00:00Z");
        check(4_107_542_399_500_000, "2100-02-28T23:59:59.5Z");
        check(1_784_106_000_000_001, "2026-07-15T09:00:00.000001Z");
        // Whatever a leaf says, it has a text.
        assert!(time(i64::MIN).starts_with('-') && time(i64::MAX).ends_with('Z'));
    }

    #[test]
    fn each_value_has_one_spelling() {
        assert_eq!(base64("AA=="), Some(vec![0]));
        for wrong in ["AB==", "AA", "AA=", " AA==", "AA==\n", "A_=="] {
            assert_eq!(base64(wrong), None, "{wrong}");
        }
        assert_eq!(number("0"), Some(0));
        for wrong in ["", "00", "+1", "-1", "1 ", "18446744073709551616", "0x1"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
        assert_eq!(uuid(&[0xab; 16]), "abababab-abab-abab-abab-abababababab");
        assert_eq!(plain("a\u{1b}[2Jb\nc é"), "a\\u{1b}[2Jb\\nc é");
    }
}
