//! Access tokens as strings; one file per format.

pub(super) mod jwt;
pub(super) mod opaque;
