//! Lists of extensions that have several pages.

use registry_core::models::naming::ExtensionType;
use registry_public::extension::ExtensionBody;
use registry_public::paths::Target;

use crate::cli::arguments::ScopeArgs;
use crate::failure::Result;
use crate::http::{Registry, ResultPage};

/// Rows of one page, the most that a registry sends.
const PAGE: usize = 1000;

/// Reads pages until the end of the list, or until there are as many rows as wanted.
pub(crate) async fn pages(
    target: &Target,
    limit: usize,
    registry: &Registry,
) -> Result<ResultPage<ExtensionBody>> {
    let (mut rows, mut is_degraded) = (Vec::new(), false);
    loop {
        let count = PAGE.min(limit - rows.len());
        let page = target.clone().with("limit", count.to_string());
        let page = page.with("offset", rows.len().to_string());
        let page = registry.page::<ExtensionBody>(&page).await?;
        // An empty page ends the list too: it may have become shorter meanwhile.
        let is_last = page.rows.is_empty() || page.rows.len() + rows.len() >= page.total;
        is_degraded |= page.is_degraded;
        rows.extend(page.rows);
        rows.truncate(limit);
        if is_last || rows.len() == limit {
            return Ok(ResultPage { total: rows.len(), rows, is_degraded });
        }
    }
}

/// Returns the target of a list of extensions.
pub(crate) fn filtered(
    path: &str,
    extension_type: Option<ExtensionType>,
    scope: &ScopeArgs,
) -> Target {
    let extension_type = extension_type.map(|wanted| ("type", wanted.as_str().to_owned()));
    Target::new(path).with_all(extension_type).with_all(scope.pairs())
}
