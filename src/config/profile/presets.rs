//! Profiles that are there without being written.

use std::sync::Arc;

use super::{Profile, Profiles};

/// What a carrier has that names none.
pub(super) const DEFAULT: &str = "default";

pub(super) fn all<'a>() -> Profiles<'a> {
    let presets = [Profile { name: DEFAULT.to_owned(), ..Profile::default() }];
    let names = [DEFAULT];
    names.into_iter().zip(presets.map(Arc::new)).collect()
}
