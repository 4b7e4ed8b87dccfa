//! Route templates of paths, the labels in metrics and the log for served and refused requests.

use matchit::Router;

use crate::metrics::UNMATCHED;

/// Returns the label of a path that no template can match; `None` for other paths.
pub type Classifier = fn(&str) -> Option<&'static str>;

/// Templates of all routes, matched with axum's own matcher.
pub struct Templates {
    router: Router<String>,
    classifier: Option<Classifier>,
}

impl Templates {
    /// Creates the matcher. A template that conflicts with another is skipped.
    #[must_use]
    pub fn new(templates: Vec<String>) -> Self {
        Self::labeled(templates.into_iter().map(|template| (template.clone(), template)))
    }

    /// Creates the matcher of templates with their labels, such as one for several fixed words.
    #[must_use]
    pub fn labeled(templates: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut router = Router::new();
        for (template, label) in templates {
            let _ = router.insert(template, label);
        }
        Self { router, classifier: None }
    }

    /// Adds labels for paths whose parameters may contain slashes, which templates cannot match.
    #[must_use]
    pub fn with(self, classifier: Classifier) -> Self {
        Self { classifier: Some(classifier), ..self }
    }

    /// Returns the template of a path, or the label of unmatched paths.
    #[must_use]
    pub fn of(&self, path: &str) -> &str {
        if let Some(label) = self.classifier.and_then(|classify| classify(path)) {
            return label;
        }
        self.router.at(path).map_or(UNMATCHED, |found| found.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_called_by_its_template() {
        let routes = [
            "/api/v1/extensions",
            "/api/v1/extensions/search",
            "/api/v1/extensions/{type}/{name}",
            "/api/v1/extensions/{type}/{name}/{version}",
        ];
        let templates = Templates::new(routes.map(str::to_owned).into());
        for (path, template) in [
            ("/api/v1/extensions", "/api/v1/extensions"),
            ("/api/v1/extensions/search", "/api/v1/extensions/search"),
            ("/api/v1/extensions/provider/aws", "/api/v1/extensions/{type}/{name}"),
            ("/api/v1/extensions/provider/aws/1.2.0", "/api/v1/extensions/{type}/{name}/{version}"),
            ("/api/v1/extensions/provider", UNMATCHED),
            ("/api/v1/extensions/", UNMATCHED),
            ("/", UNMATCHED),
        ] {
            assert_eq!(templates.of(path), template, "{path}");
        }
        for template in routes {
            assert_eq!(templates.of(template), template);
        }
    }
}
