//! What an access token looks like; one file per format.

pub(super) mod jwt;
