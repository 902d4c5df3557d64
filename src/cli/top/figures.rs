//! What the statistics say about the server as a whole.

use serde_json::{Map, Value};

/// Which groups are read.
pub(super) const GROUPS: [&str; 3] = ["core:", "dialog:", "tm:"];

/// Statistics at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    values: Map<String, Value>,
}

impl Figures {
    pub(super) fn of(values: Map<String, Value>) -> Self {
        Self { values }
    }

    /// The value of `group:name`; nothing if the server has no such statistic.
    pub(super) fn value(&self, name: &str) -> Option<u64> {
        self.values.get(name).and_then(Value::as_u64)
    }

    /// How much a counter grew in a second; one that began again has not grown.
    pub(super) fn rate(&self, before: &Self, seconds: f64, name: &str) -> Option<f64> {
        let grown = self.value(name)?.saturating_sub(before.value(name)?);
        (seconds > 0.0).then(|| grown as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rates_need_two_looks() {
        let figures =
            |count: u64| Figures::of(json!({ "core:x": count }).as_object().unwrap().clone());
        let (before, now) = (figures(10), figures(40));
        assert_eq!(now.rate(&before, 2.0, "core:x"), Some(15.0));
        assert_eq!(before.rate(&now, 2.0, "core:x"), Some(0.0));
        assert_eq!(now.rate(&before, 0.0, "core:x"), None);
        assert_eq!(now.rate(&before, 2.0, "core:y"), None);
    }
}
