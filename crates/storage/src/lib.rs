//! Durable state: a small keyed store with fenced, atomic multi-key writes.
