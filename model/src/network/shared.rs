//! Layers that stand at several places and have one set of weights.
//!
//! In a list of layers `{"shares": "0"}` calls the layer at place 0 again; places are those that begin the names of parameters:
//! `"2.1"` is the second layer within the third, `"tower.0"` the first of the graph's node `tower`.

use super::builder::{Builder, DocPath, TensorRef};
use super::node::wrong;
use crate::arguments::excerpt;
use candlewick_protocol::Failure;
use serde_json::{Value, json};
use std::ops::Range;

impl Builder {
    /// Adds the layer again that a document `{"shares": ...}` names; returns its complete document and the output.
    pub(super) fn shared(
        &mut self,
        document: &Value,
        shared: &Value,
        place: DocPath<'_>,
        inputs: &[TensorRef],
    ) -> Result<(Value, TensorRef), Failure> {
        let at = |what: String| wrong(format!("{}: {what}", place.document));
        if let Some(key) = document
            .as_object()
            .and_then(|object| object.keys().find(|key| *key != "shares"))
        {
            return Err(at(format!("has both \"shares\" and {key:?}; remove one")));
        }
        let found = self.placed.iter().find(|placed| *shared == placed.path);
        let found = found.ok_or_else(|| {
            at(format!(
                "\"shares\" must be the place of an earlier layer, such as \"0\", got {}",
                excerpt(shared)
            ))
        })?;
        let layer = found.document.clone();
        if layer.get("shares").is_some() {
            return Err(at(format!(
                "\"shares\" is {}, which has no layer of its own: name the place that it shares, {}",
                excerpt(shared),
                excerpt(&layer["shares"])
            )));
        }
        if found.parameters.is_empty() {
            // There is nothing to share: it is a layer like any other.
            return self.layer_or_container(&layer, place, inputs);
        }
        let of = found.parameters.clone();
        let output = self.layer_again(&layer, place, inputs, of)?;
        Ok((json!({"shares": shared}), output))
    }

    /// Adds a layer again that has the parameters `of` already.
    pub(super) fn layer_again(
        &mut self,
        document: &Value,
        place: DocPath<'_>,
        inputs: &[TensorRef],
        of: Range<usize>,
    ) -> Result<TensorRef, Failure> {
        // A layer that is called again may hold one that stands in it twice.
        let around = self.again.replace(of);
        let done = self.layer_or_container(document, place, inputs);
        self.again = around;
        done.map(|(_, output)| output)
    }
}
