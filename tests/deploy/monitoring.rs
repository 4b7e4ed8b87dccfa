//! What watches the service: every metric that a rule or a panel names exists, every alert is
//! played through and has its runbook, and Grafana finds what it is told to show.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{read, yaml_document};
use crate::contracts::sampled_metrics;

const RULES: &str = "deploy/prometheus/rules.yml";
const DASHBOARD: &str = "deploy/grafana/extension-registry.json";
const DATASOURCES: &str = "deploy/grafana/provisioning/datasources/prometheus.yml";

/// Words of a query that are no metrics of the service.
const LANGUAGE: [&str; 17] = [
    "sum",
    "max",
    "min",
    "by",
    "rate",
    "increase",
    "histogram_quantile",
    "label_values",
    "and",
    "or",
    "unless",
    "on",
    "max_over_time",
    "time",
    "clamp_min",
    "up",
    "ALERTS",
];

fn dashboard() -> Value {
    serde_json::from_str(&read(DASHBOARD)).unwrap()
}

fn panels() -> Vec<Value> {
    dashboard()["panels"].as_array().unwrap().clone()
}

fn rules() -> Vec<Value> {
    let groups = yaml_document(RULES)["groups"].as_array().unwrap().clone();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// The values of this key that are text, at any depth.
fn texts(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if name == key => found.push(text.to_owned()),
                    _ => texts(value, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, key, found)),
        _ => {}
    }
}

/// The words of a query that stand for series: without selectors, ranges and lists of labels.
fn series(query: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut word = String::new();
    let mut characters = query.chars().peekable();
    let mut quoted = false;
    let mut depth = 0;
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' if quoted => drop(characters.next()),
            _ if quoted => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 && !quoted && (character.is_alphanumeric() || "_:".contains(character)) {
            word.push(character);
            if characters.peek().is_some() {
                continue;
            }
        }
        let ended = std::mem::take(&mut word);
        if ["by", "without", "on"].contains(&ended.as_str()) {
            // The list of labels behind it.
            characters.find(|character| *character == ')');
        }
        words.insert(ended);
    }
    words.retain(|word| word.starts_with(|first: char| first.is_alphabetic()));
    words
}

/// Every series that the service shows or the rules record.
fn known() -> BTreeSet<String> {
    let text = sampled_metrics();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let shown = samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned());
    let rules = rules();
    let recorded = rules.iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned));
    shown.chain(recorded).collect()
}

#[test]
fn words_of_queries_are_told_from_labels() {
    let query =
        r#"sum by (job, le) (rate(a_total{route!~"/x[{]type[}]|b"}[5m])) / up > 0.5 or c:d"#;
    let found: Vec<String> = series(query).into_iter().collect();
    assert_eq!(found, ["a_total", "by", "c:d", "or", "rate", "sum", "up"]);
}

#[test]
fn every_series_that_is_asked_for_exists() {
    let known = known();
    let mut queries = Vec::new();
    texts(&Value::Array(rules()), "expr", &mut queries);
    texts(&dashboard(), "expr", &mut queries);
    assert!(queries.len() > 20, "{queries:?}");
    for query in queries {
        for word in series(&query) {
            let exists = known.contains(&word) || LANGUAGE.contains(&word.as_str());
            assert!(exists, "{word} is no metric of the service: {query}");
        }
    }
}

/// The matchers in a query for labels of a few words: series, label, and the words it may have.
fn matchers(query: &str) -> Vec<(String, String, Vec<String>)> {
    let mut found = Vec::new();
    for (at, _) in query.match_indices('{') {
        let (before, inside) = (&query[..at], &query[at + 1..]);
        let Some((inside, _)) = inside.split_once('}') else { continue };
        let name =
            before.rsplit(|c: char| !c.is_alphanumeric() && !"_:".contains(c)).next().unwrap();
        for matcher in inside.split(',') {
            let Some((label, words)) = matcher.split_once('=') else { continue };
            let label = label.trim().trim_end_matches('!');
            if ["backend", "cache", "outcome", "reason", "state"].contains(&label) {
                let words = words.trim_start_matches('~').trim_matches('"').split('|');
                found.push((name.to_owned(), label.to_owned(), words.map(str::to_owned).collect()));
            }
        }
    }
    found
}

#[test]
fn every_word_that_a_query_selects_exists() {
    let text = sampled_metrics();
    let mut queries = Vec::new();
    texts(&Value::Array(rules()), "expr", &mut queries);
    texts(&dashboard(), "expr", &mut queries);
    let selected: Vec<_> = queries.iter().flat_map(|query| matchers(query)).collect();
    assert!(selected.len() > 5, "{selected:?}");
    for (name, label, words) in selected {
        for word in words {
            let sample = format!("{label}=\"{word}\"");
            let exists = text.lines().any(|line| line.starts_with(&name) && line.contains(&sample));
            assert!(exists, "{name} has no {sample}");
        }
    }
}

#[test]
fn every_alert_is_played_through_and_has_its_runbook() {
    let played = read("deploy/prometheus/rules_test.yml");
    let operations = read("docs/operations.md");
    let mut alerts = BTreeSet::new();
    for rule in rules() {
        let Some(alert) = rule["alert"].as_str() else { continue };
        alerts.insert(alert.to_owned());
        let named = format!("alertname: {alert}\n");
        let fires = played.split(&named).skip(1);
        let fires = fires.filter(|rest| rest.trim_start().starts_with("exp_alerts:")).count();
        assert!(fires > 0, "{alert} fires in no test");
        let runbook = format!(
            "{}/src/branch/main/docs/operations.md#{}",
            env!("CARGO_PKG_REPOSITORY"),
            alert.to_lowercase()
        );
        assert_eq!(rule["annotations"]["runbook_url"], runbook.as_str());
        assert!(["critical", "warning"].contains(&rule["labels"]["severity"].as_str().unwrap()));
    }
    let sections = operations.lines().filter_map(|line| line.strip_prefix("### "));
    let sections = sections.filter(|title| title.starts_with("ExtensionRegistry"));
    assert_eq!(sections.map(str::to_owned).collect::<BTreeSet<String>>(), alerts);
}

#[test]
fn the_dashboard_asks_the_source_that_is_provisioned() {
    let sources = yaml_document(DATASOURCES);
    let mut uids = Vec::new();
    texts(&dashboard()["panels"], "uid", &mut uids);
    assert!(!uids.is_empty());
    assert!(uids.iter().all(|uid| *uid == sources["datasources"][0]["uid"]), "{uids:?}");
    let panels = panels();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}

#[test]
fn every_panel_says_what_it_shows_of_the_replicas_that_were_chosen() {
    let shown: Vec<Value> = panels().into_iter().filter(|panel| panel["type"] != "row").collect();
    assert!(shown.len() > 10, "{}", shown.len());
    for panel in shown {
        let title = panel["title"].as_str().unwrap();
        let said = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        assert!(said(&panel["description"]), "{title} has no description");
        assert!(said(&panel["fieldConfig"]["defaults"]["unit"]), "{title} has no unit");
        for target in panel["targets"].as_array().unwrap() {
            assert!(said(&target["legendFormat"]), "{title} has no legend");
            let asked = target["expr"].as_str().unwrap();
            let chosen = asked.matches("instance=~\"$instance\"").count();
            assert_eq!(asked.matches("job=\"extension-registry\"").count(), chosen, "{asked}");
            // What a rule records is of all replicas.
            let own = series(asked).iter().all(|word| !word.contains(':'));
            assert!(chosen > 0 && own, "{asked}");
        }
    }
}

#[test]
fn no_two_panels_share_a_place() {
    let mut taken = BTreeSet::new();
    for panel in panels() {
        let place = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(place("x") + place("w") <= 24, "{}", panel["title"]);
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{} lies on another", panel["title"]);
            }
        }
    }
}
