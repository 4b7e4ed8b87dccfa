//! The definition of the search, written as plainly as it can be: no index, no care for time.

/// What a search knows of an extension.
#[derive(Clone, Debug)]
pub struct Described {
    /// `{type}/{name}`.
    pub id: String,
    pub keywords: Vec<String>,
    pub description: String,
}

impl Described {
    fn name(&self) -> String {
        self.id.split_once('/').unwrap().1.to_ascii_lowercase()
    }

    /// Better is less.
    fn rank(&self, typed: &str) -> Option<usize> {
        let name = self.name();
        let plain = typed.trim_matches(joins);
        let keywords = || self.keywords.iter().flat_map(|keyword| words(keyword));
        let fields = [
            name == typed,
            name.starts_with(typed),
            keywords().any(|word| word == plain),
            words(&self.description).iter().any(|word| word == plain),
            strsim::osa_distance(&name, typed) <= edits(typed),
        ];
        fields.iter().position(|matches| *matches)
    }
}

/// The ids that match a query, best first, ties by name and then type.
pub fn plain_search(extensions: &[Described], query: &str) -> Vec<String> {
    let query: Vec<String> = runs(query).into_iter().filter(|word| !word.is_empty()).collect();
    let mut hits = Vec::new();
    for extension in extensions {
        let ranks: Option<Vec<usize>> = query.iter().map(|word| extension.rank(word)).collect();
        if let Some(best) = ranks.and_then(|ranks| ranks.into_iter().min()) {
            let (extension_type, _) = extension.id.split_once('/').unwrap();
            hits.push((best, extension.name(), extension_type, extension.id.clone()));
        }
    }
    hits.sort();
    hits.into_iter().map(|(.., id)| id).collect()
}

fn edits(word: &str) -> usize {
    match word.chars().count() {
        0..4 => 0,
        4..8 => 1,
        8.. => 2,
    }
}

fn fold(text: &str) -> String {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn joins(c: char) -> bool {
    "-_.+".contains(c)
}

/// Letters, digits and what joins them, up to anything else; no joint at the beginning.
fn runs(text: &str) -> Vec<String> {
    let folded = fold(text);
    let runs = folded.split(|c: char| !c.is_alphanumeric() && !joins(c));
    runs.map(|run| run.trim_start_matches(joins).to_owned()).collect()
}

/// Whole words and the parts of joined ones.
fn words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for run in runs(text) {
        all.extend(run.split(joins).map(ToOwned::to_owned));
        all.push(run.trim_matches(joins).to_owned());
    }
    all.retain(|word| !word.is_empty());
    all
}
