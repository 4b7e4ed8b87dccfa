//! Sample models of every page: normal, empty, stale and hostile.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a wrong sample fails loudly")]

mod archives;
mod extension;
mod hostile;
mod lists;
mod service;

use std::time::Duration;

use jiff::Timestamp;
use registry_web::digest::DigestView;
use registry_web::error::Result;
use registry_web::extension_ref::ExtensionRef;
use registry_web::extension_type::TypeView;
use registry_web::freshness::DataAge;
use registry_web::links::Links;
use registry_web::site::{Site, SiteOrigin};

use hostile::{NAME_100, WORD_1000, hostile, hostile_path};

/// A page and its HTML.
pub struct Sample {
    /// File name without its ending.
    pub name: &'static str,
    pub html: String,
}

/// Data that all sample pages share.
pub fn site() -> Site {
    Site {
        links: Links::default(),
        origin: SiteOrigin::parse("https://registry.example.com").unwrap(),
        version: "0.2.0".to_owned(),
        commit: Some("08a366e".to_owned()),
        extensions: 16,
        demo: false,
        freshness: DataAge::Age(Duration::from_secs(12)),
    }
}

/// All pages.
pub fn all() -> Result<Vec<Sample>> {
    let site = site();
    let mut samples = lists::samples(&site)?;
    samples.extend(extension::samples(&site)?);
    samples.extend(archives::samples(&site)?);
    samples.extend(service::samples(&site)?);
    Ok(samples)
}

/// Pages as plain text, each with its name.
pub fn plain_texts() -> Vec<(&'static str, String)> {
    let site = site();
    vec![
        ("home", lists::home().plain_text(&site)),
        ("status", service::status().plain_text(&site)),
        ("status-hostile", service::hostile_status().plain_text(&site)),
    ]
}

fn sample(name: &'static str, html: Result<String>) -> Result<Sample> {
    Ok(Sample { name, html: html? })
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A digest that looks random, for a number.
pub fn digest(seed: u64) -> DigestView {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let digits = (0..4).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        format!("{state:016x}")
    });
    digits.collect::<String>().parse().unwrap()
}

fn kubernetes() -> ExtensionRef {
    ExtensionRef::new(TypeView::Taskserv, "kubernetes")
}
