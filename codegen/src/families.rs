//! The catalogue as its pages and modules show it: by kind and family.

use candlewick_model::catalogue::{self, Entry, Kind};
use candlewick_protocol::value::ValueType;

/// Entries that stand together: a section of the documentation, a module in each language.
pub(crate) struct Family {
    /// Name of the module, such as `linear`.
    pub module: String,
    /// Title of the section.
    pub title: String,
    /// The entries, in the catalogue's order.
    pub entries: Vec<&'static Entry>,
}

/// A family is known by any of its members; one that is not listed is called by its first.
const KNOWN: &[(&str, &str, &str)] = &[
    ("Linear", "linear", "Linear layers"),
    ("ReLU", "activation", "Activations"),
    ("Dropout", "regularization", "Dropout"),
    ("Flatten", "shape", "Layers of shape"),
    ("Concat", "join", "Joins and residual connections"),
    ("Conv2d", "convolution", "Convolutions"),
    ("MaxPool2d", "pooling", "Pooling"),
    ("BatchNorm1d", "normalization", "Normalisation"),
    ("LayerNorm", "normalization", "Normalisation"),
    ("Embedding", "embedding", "Embeddings"),
    ("LSTM", "recurrent", "Recurrent layers"),
    ("MultiheadAttention", "attention", "Attention and transformers"),
    ("ZeroPad2d", "padding", "Padding"),
    ("Upsample", "upsampling", "Upsampling"),
    ("CosineSimilarity", "distance", "Distances"),
];

/// Optimisers by running means of the gradient and of its square, which have a module of their own: all of them in one would
/// be too long to read.
const ADAM: [&str; 6] = ["Adam", "AdamW", "NAdam", "RAdam", "Adamax", "LAMB"];

fn called(kind: Kind, entries: &[&Entry]) -> (String, String) {
    match kind {
        Kind::Loss => return ("loss".to_owned(), "Losses".to_owned()),
        Kind::Optimizer if entries.iter().all(|entry| ADAM.contains(&entry.name)) => {
            return ("adam".to_owned(), "Adam and its relatives".to_owned());
        }
        Kind::Optimizer => return ("optimizer".to_owned(), "Optimisers".to_owned()),
        Kind::Scheduler => {
            return (
                "lr_scheduler".to_owned(),
                "Schedules of the learning rate".to_owned(),
            );
        }
        Kind::Initializer => return ("init".to_owned(), "How parameters start".to_owned()),
        Kind::Stopping => return ("stopping".to_owned(), "Early stopping".to_owned()),
        Kind::Layer | Kind::Network => {}
    }
    let known = KNOWN
        .iter()
        .find(|(member, _, _)| entries.iter().any(|entry| entry.name == *member));
    match (known, entries.first()) {
        (Some((_, module, title)), _) => ((*module).to_owned(), (*title).to_owned()),
        (None, Some(first)) => (first.name.to_lowercase(), format!("{} and others", first.name)),
        (None, None) => (String::new(), String::new()),
    }
}

/// The families of a kind in the catalogue's order; families of one name are one.
pub(crate) fn of(kind: Kind) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for entries in catalogue::families() {
        let entries: Vec<&Entry> = entries.iter().filter(|entry| entry.kind == kind).collect();
        // The catalogue lists optimisers together, whatever family each is of.
        let together = if kind == Kind::Optimizer {
            1
        } else {
            entries.len().max(1)
        };
        for entries in entries.chunks(together) {
            let (module, title) = called(kind, entries);
            match families.iter_mut().find(|family| family.module == module) {
                Some(family) => family.entries.extend(entries),
                None => families.push(Family {
                    module,
                    title,
                    entries: entries.to_vec(),
                }),
            }
        }
    }
    families
}

/// The one argument of a container: the layers it holds, given one by one as `Sequential` takes them.
pub(crate) fn held(entry: &Entry) -> Option<&'static str> {
    let first = entry
        .args
        .iter()
        .find(|arg| arg.ty == ValueType::Documents(Kind::Layer));
    first.filter(|_| entry.kind == Kind::Layer).map(|arg| arg.name)
}

/// The class of what the builders of a kind make.
pub(crate) fn class_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Network => "Network",
        Kind::Layer => "Module",
        Kind::Loss => "Loss",
        Kind::Optimizer => "Optimizer",
        Kind::Scheduler => "LRScheduler",
        Kind::Initializer => "Initializer",
        Kind::Stopping => "EarlyStopping",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_in_one_family_of_its_kind() {
        let kinds = [
            Kind::Layer,
            Kind::Loss,
            Kind::Optimizer,
            Kind::Scheduler,
            Kind::Initializer,
            Kind::Stopping,
        ];
        let count: usize = kinds
            .iter()
            .flat_map(|kind| of(*kind))
            .map(|family| family.entries.len())
            .sum();
        assert_eq!(count, catalogue::entries().count());
        assert_eq!(of(Kind::Layer)[0].module, "linear");
    }
}
