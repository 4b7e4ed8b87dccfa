//! Age of the data of a page.

use std::time::Duration;

use jiff::Timestamp;

use crate::format::duration::duration;
use crate::format::time::moment;

/// Age of the data of a page. A page that is kept tells only what stays true while it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataAge {
    /// The age at rendering; for a page that is made for one request.
    Age(Duration),
    /// The data is younger than this.
    Within(Duration),
    /// The data, or a part, is of this time.
    AsOf(Timestamp),
    /// A part of the data was never read.
    Incomplete,
}

impl DataAge {
    /// Returns the words of the footer.
    pub(crate) fn footer(self) -> String {
        match self {
            Self::Age(age) => format!("data checked {} ago", duration(age)),
            Self::Within(age) => format!("data checked within the last {}", duration(age)),
            Self::AsOf(time) => format!("data as of {}", moment(time)),
            Self::Incomplete => "part of the data is missing".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_footer_tells_the_age() {
        let as_of = "2026-09-03T16:04:00Z".parse().unwrap();
        for (freshness, words) in [
            (DataAge::Age(Duration::from_secs(12)), "data checked 12 s ago"),
            (DataAge::Within(Duration::from_mins(10)), "data checked within the last 10 min"),
            (DataAge::AsOf(as_of), "data as of 3 Sep 2026, 16:04 UTC"),
            (DataAge::Incomplete, "part of the data is missing"),
        ] {
            assert_eq!(freshness.footer(), words);
        }
    }
}
