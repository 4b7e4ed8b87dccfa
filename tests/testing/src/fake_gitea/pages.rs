//! Pages as Gitea cuts them: first by rows, then by permission.

use serde_json::Value;

use super::state::State;
use super::{Ask, Reply};

/// Rows with whether the caller may see each.
pub(super) type Visible = Vec<(Value, bool)>;

impl State {
    /// One page, its total and its links.
    pub(super) fn page(&self, ask: &Ask, rows: Visible, with_links: bool) -> Reply {
        let number = |name: &str| ask.parameter(name).and_then(|text| text.parse::<usize>().ok());
        let page = number("page").filter(|page| *page > 0).unwrap_or(1);
        let limit = number("limit").filter(|limit| *limit > 0).unwrap_or(30).min(self.max_items);
        let (total, pages) = (rows.len(), rows.len().div_ceil(limit));
        let cut = rows.into_iter().skip((page - 1) * limit).take(limit);
        let seen: Vec<Value> = cut.filter(|(_, visible)| *visible).map(|(row, _)| row).collect();
        let mut reply = Reply::json(200, &Value::from(seen));
        reply.headers.push(("X-Total-Count", total.to_string()));
        if with_links && pages > 1 {
            reply.headers.push(("Link", self.links(ask, page.min(pages), pages, limit)));
        }
        reply
    }

    fn links(&self, ask: &Ask, page: usize, pages: usize, limit: usize) -> String {
        let mut links = Vec::new();
        if page < pages {
            links.extend([(page + 1, "next"), (pages, "last")]);
        }
        if page > 1 {
            links.extend([(1, "first"), (page - 1, "prev")]);
        }
        let mut others = ask.query.clone();
        others.retain(|(name, _)| name != "page" && name != "limit");
        let link = |(page, relation): (usize, &str)| {
            let mut query = others.clone();
            query.push(("limit".to_owned(), limit.to_string()));
            query.push(("page".to_owned(), page.to_string()));
            query.sort();
            let query: Vec<String> =
                query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("<{}{}?{}>; rel=\"{relation}\"", self.root_url, ask.path, query.join("&"))
        };
        links.into_iter().map(link).collect::<Vec<_>>().join(",")
    }
}
