//! Which template a path is of: what metrics and the log call it by, whoever answers or refuses.

use matchit::Router;

use crate::metrics::UNMATCHED;

/// The templates of all routes, matched as axum matches them, whose matcher this is.
pub struct Templates(Router<String>);

impl Templates {
    /// Of these templates; one that contradicts another is left out, as no route can have it.
    #[must_use]
    pub fn new(templates: Vec<String>) -> Self {
        let mut router = Router::new();
        for template in templates {
            let _ = router.insert(template.clone(), template);
        }
        Self(router)
    }

    /// The template of this path, or what paths without any are called.
    #[must_use]
    pub fn of(&self, path: &str) -> &str {
        self.0.at(path).map_or(UNMATCHED, |found| found.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routes;

    #[test]
    fn a_path_is_called_by_its_template() {
        let templates = Templates::new(routes::templates());
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
        for template in routes::templates() {
            assert_eq!(templates.of(&template), template);
        }
    }
}
