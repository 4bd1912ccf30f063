//! NHS numbers: ten digits, the last a check digit (NHS Data Model and Dictionary, modulus 11).

/// Takes a written NHS number (spaces and hyphens allowed) to its ten digits; `None` when it is not
/// one, fails the check digit, or is a placeholder of one repeated digit.
#[must_use]
pub fn nhs_number(written: &str) -> Option<String> {
    if written.len() > 20 {
        return None;
    }
    let digits: Vec<u32> = written
        .chars()
        .filter(|c| !matches!(c, ' ' | '-'))
        .map(|c| c.to_digit(10))
        .collect::<Option<_>>()?;
    let (check, body) = digits.split_last()?;
    if body.len() != 9 || digits.iter().all(|d| d == check) {
        return None;
    }
    let sum: u32 = body.iter().zip((2..=10).rev()).map(|(digit, weight)| digit * weight).sum();
    let wanted = match 11 - sum % 11 {
        11 => 0,
        10 => return None,
        other => other,
    };
    (wanted == *check).then(|| digits.iter().filter_map(|d| char::from_digit(*d, 10)).collect())
}

#[cfg(test)]
mod tests {
    use super::nhs_number;

    #[track_caller]
    fn check(written: &str, want: Option<&str>) {
        assert_eq!(nhs_number(written).as_deref(), want, "{written:?}");
    }

    #[test]
    fn the_check_digit_decides() {
        check("9434765919", Some("9434765919"));
        check("943 476 5919", Some("9434765919"));
        check("943-476-5919", Some("9434765919"));
        check("9434765918", None);
        check("9999999999", None);
        check("0000000000", None);
        check("943476591", None);
        check("94347659190", None);
        check("943476591é", None);
        check("", None);
    }
}
