//! countersign-sql
