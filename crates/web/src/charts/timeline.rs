//! Versions over time: one lane for each major version, one dot for each version.

use jiff::Timestamp;

use crate::format::time::date;

/// Width of the chart in pixels.
pub(crate) const WIDTH: f64 = 720.0;
const LANE: f64 = 24.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const AXIS: f64 = 22.0;
const LANES_MAX: usize = 8;

/// Version with a date.
#[derive(Clone, Debug)]
pub(crate) struct Dated<'a> {
    pub(crate) version: &'a str,
    pub(crate) href: String,
    pub(crate) at: Timestamp,
    pub(crate) is_pre_release: bool,
}

/// Lane of one major version.
pub(crate) struct TimelineLane {
    pub(crate) label: String,
    pub(crate) y: f64,
    pub(crate) dots: Vec<Dot>,
}

/// One version.
pub(crate) struct Dot {
    pub(crate) x: String,
    pub(crate) href: String,
    pub(crate) title: String,
    pub(crate) is_hollow: bool,
}

/// Chart of versions over time.
pub(crate) struct Timeline {
    pub(crate) height: f64,
    pub(crate) axis_y: f64,
    pub(crate) lanes: Vec<TimelineLane>,
    pub(crate) first: String,
    pub(crate) last: String,
}

/// Draws the versions. Returns `None` for fewer than two different dates.
pub(crate) fn timeline(mut versions: Vec<Dated<'_>>) -> Option<Timeline> {
    versions.sort_by_key(|version| version.at);
    let (start, end) = (versions.first()?.at, versions.last()?.at);
    let span = (end.as_second() - start.as_second()) as f64;
    if span <= 0.0 {
        return None;
    }
    let x_of = |at: Timestamp| {
        let share = (at.as_second() - start.as_second()) as f64 / span;
        LEFT + 8.0 + share * (WIDTH - LEFT - RIGHT - 16.0)
    };
    let mut majors: Vec<&str> = versions.iter().map(|version| major(version.version)).collect();
    majors.sort_by_key(|major| {
        (major.parse::<u64>().is_err(), std::cmp::Reverse(major.parse::<u64>().ok()))
    });
    majors.dedup();
    // Older lanes share one, so that a chart of many majors stays small.
    let shared =
        if majors.len() > LANES_MAX { majors.split_off(LANES_MAX - 1) } else { Vec::new() };
    let mut groups: Vec<(String, Vec<&str>)> =
        majors.into_iter().map(|major| (label(major), vec![major])).collect();
    if !shared.is_empty() {
        groups.push(("others".to_owned(), shared));
    }
    let lanes = groups.into_iter().enumerate().map(|(index, (label, members))| {
        let of_lane = versions.iter().filter(|one| members.contains(&major(one.version)));
        let dots = of_lane.map(|one| Dot {
            x: format!("{:.0}", x_of(one.at)),
            href: one.href.clone(),
            title: format!("{}, {}", one.version, date(one.at)),
            is_hollow: one.is_pre_release,
        });
        TimelineLane { label, y: LANE * (index as f64 + 0.5), dots: dots.collect() }
    });
    let lanes: Vec<TimelineLane> = lanes.collect();
    let axis_y = LANE * lanes.len() as f64;
    Some(Timeline { height: axis_y + AXIS, axis_y, lanes, first: date(start), last: date(end) })
}

fn major(version: &str) -> &str {
    let major = version.split(['.', '-', '+']).next().unwrap_or_default();
    if major.parse::<u64>().is_ok() { major } else { "" }
}

fn label(major: &str) -> String {
    if major.is_empty() { "tags".to_owned() } else { format!("{major}.x") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dated(version: &str, day: i64) -> Dated<'_> {
        let at = Timestamp::from_second(day * 86_400).unwrap();
        Dated { version, href: format!("/{version}"), at, is_pre_release: version.contains('-') }
    }

    #[test]
    fn each_major_has_a_lane_and_dots_are_in_time_order() {
        let chart = timeline(vec![
            dated("2.0.0-rc.1", 20),
            dated("1.0.0", 0),
            dated("10.0.0", 40),
            dated("nightly", 30),
        ])
        .unwrap();
        let labels: Vec<&str> = chart.lanes.iter().map(|lane| lane.label.as_str()).collect();
        assert_eq!(labels, ["10.x", "2.x", "1.x", "tags"]);
        assert!(chart.lanes[1].dots[0].is_hollow && !chart.lanes[0].dots[0].is_hollow);
        let xs =
            [2, 1, 3, 0].map(|lane: usize| chart.lanes[lane].dots[0].x.parse::<u32>().unwrap());
        assert!(xs.is_sorted() && xs[0] >= 56 && xs[3] <= 704, "{xs:?}");
        assert_eq!((chart.first.as_str(), chart.last.as_str()), ("1 Jan 1970", "10 Feb 1970"));
    }

    #[test]
    fn lanes_are_bounded_and_one_date_is_no_chart() {
        let versions: Vec<String> = (0..30).map(|major| format!("{major}.0.0")).collect();
        let all = versions
            .iter()
            .enumerate()
            .map(|(day, version)| dated(version, i64::try_from(day).unwrap()));
        let chart = timeline(all.collect()).unwrap();
        assert_eq!(chart.lanes.len(), LANES_MAX);
        assert_eq!(chart.lanes.iter().map(|lane| lane.dots.len()).sum::<usize>(), 30);
        assert!(timeline(vec![dated("1.0.0", 1), dated("1.0.1", 1)]).is_none());
    }
}
