//! Amounts of bytes as people write them.

const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// The bytes of `10GiB`, `500 MB` or `1048576`; no fractions. The error says what is accepted.
pub fn bytes_of(text: &str) -> Result<u64, String> {
    amount(text.trim())
        .ok_or_else(|| format!("must be bytes such as \"10GiB\", \"500MB\" or \"0\", not {text:?}"))
}

fn amount(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start();
    let known = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let factor = if unit.is_empty() { 1 } else { known?.1 };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_unit() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1048576", Some(1 << 20)),
            ("10GiB", Some(10 << 30)),
            (" 500 mb ", Some(500_000_000)),
            ("1.5GiB", None),
            ("10 G", None),
            ("-1", None),
            ("GiB", None),
            ("", None),
            ("99999999999999999999", None),
            ("18446744073709551615 TiB", None),
        ] {
            assert_eq!(bytes_of(text).ok(), bytes, "{text}");
        }
    }
}
