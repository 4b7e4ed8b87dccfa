//! Sizes in bytes.

const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];

/// Returns a size with two significant digits at least, in units of a thousand: `640 B`, `3.1 KB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    // In tenths of a unit, so that no float rounds at the borders.
    let mut tenths = bytes.saturating_add(50) / 100;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while tenths >= 9995 {
        let Some(larger) = units.next() else { break };
        unit = Some(larger);
        tenths = (tenths + 500) / 1000;
    }
    let unit = unit.copied().unwrap_or_default();
    if tenths < 100 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", (tenths + 5) / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_unit_and_no_needless_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KB"),
            (3_149, "3.1 KB"),
            (9_960, "10 KB"),
            (999_449, "999 KB"),
            (999_999, "1.0 MB"),
            (67_108_864, "67 MB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
