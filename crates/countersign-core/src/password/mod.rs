//! Passwords: what was typed, what is stored, and how the two are compared.
