//! Headings of error pages, and next steps for the reader.

use crate::format::duration::duration;
use crate::pages::error_page::ErrorPage;

impl ErrorPage {
    pub(super) const fn heading(&self) -> &'static str {
        match self.status {
            400 => "The address is not valid",
            401 => "A token is required",
            404 => "Not found",
            405 => "The method is not allowed",
            406 => "No acceptable form",
            413 => "Too large",
            429 => "Too many requests",
            502 => "A backend gave no usable answer",
            503 => "A backend is unavailable",
            504 => "A backend did not answer in time",
            500 => "Internal error",
            _ => "The request failed",
        }
    }

    /// Returns what the reader can do.
    pub(super) fn steps(&self) -> Vec<String> {
        let mut steps = Vec::new();
        match self.status {
            400 => steps.push("Correct the part of the address that the message names.".to_owned()),
            401 => steps.push(
                "Load the page again and enter your client token as the password; the user name does \
                 not matter."
                    .to_owned(),
            ),
            404 => steps.push("Check the type, the name and the version.".to_owned()),
            406 => steps.push("Ask for text/html, or use the API for JSON.".to_owned()),
            500 => steps.push(
                "Report it to the operator with the identifier of the request below; the log has \
                 the cause."
                    .to_owned(),
            ),
            502 => steps.push("The operator must check the backend: run extension-registry doctor.".to_owned()),
            _ => {}
        }
        let reachable = self.reachable();
        if !reachable.is_empty() {
            steps.push(format!("Pages of extensions in {reachable} still work."));
        }
        if let Some(wait) = self.retry_after {
            steps.push(format!("Wait {} before the next try.", duration(wait)));
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_error_says_what_to_do() {
        for status in [400, 401, 404, 406, 500, 502] {
            let page = ErrorPage { status, ..ErrorPage::default() };
            assert!(!page.steps().is_empty(), "{status}");
            assert_ne!(page.heading(), "The request failed");
        }
        let limited = ErrorPage {
            status: 429,
            retry_after: Some(Duration::from_secs(7)),
            ..ErrorPage::default()
        };
        assert_eq!(limited.steps(), ["Wait 7 s before the next try."]);
    }
}
