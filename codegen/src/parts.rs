//! Which traits of Scala and classes of Python have which parameters: what a model only knows, and what is set.

use crate::text::capital;
use candlewick_protocol::params::{Group, Param, Scope};

/// A trait in Scala, a class in Python: parameters of a group.
pub(crate) struct Part {
    pub owner: Owner,
    /// Its name.
    pub name: String,
    /// For whom it is, in words.
    pub about: &'static str,
    /// The part whose parameters it has the setters of, where that is another one.
    pub of: Option<String>,
    /// Parameters that it defines.
    pub defined: Vec<&'static Param>,
    /// Parameters that it has the setters of.
    pub set: Vec<&'static Param>,
}

/// Who gets the parameters of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Estimators and models.
    All,
    /// Estimators and models of classifiers.
    Classifier,
    /// NeuralEstimator and its models.
    General,
    /// Estimators, and models, which know what they were trained with.
    Training,
    /// The same, of classifiers.
    ClassifierTraining,
    /// Estimators.
    Estimator,
    /// Estimators of classifiers.
    ClassifierEstimator,
}

impl Owner {
    fn words(self) -> &'static str {
        match self {
            Owner::All => "Parameters of estimators and models.",
            Owner::Classifier => "Parameters of classifiers and their models.",
            Owner::General => "Parameters of NeuralEstimator and its models.",
            Owner::Training => "Parameters of estimators, which their models know.",
            Owner::ClassifierTraining => "Parameters of classifiers, which their models know.",
            Owner::Estimator => "What estimators have beyond their models.",
            Owner::ClassifierEstimator => "What classifiers have beyond their models.",
        }
    }
}

type Params = Vec<&'static Param>;

/// The parts of a group that have parameters.
pub(crate) fn parts(group: &'static Group) -> Vec<Part> {
    let of = |scope: Scope| -> Params { group.params.iter().filter(|param| param.scope == scope).collect() };
    let (all, classifier) = (of(Scope::All), of(Scope::Classifier));
    let prefix = if all.is_empty() { "" } else { "Estimator" };
    let own = if classifier.is_empty() {
        "Classifier"
    } else {
        "ClassifierEstimator"
    };
    let named = |prefix: &str, suffix: &str| format!("{prefix}{}{suffix}", class(group));
    let part = |owner: Owner, prefix, defined: Params, set| Part {
        owner,
        name: named(prefix, "Params"),
        about: owner.words(),
        of: None,
        defined,
        set,
    };
    // What a model only knows has its setters elsewhere.
    let setters = |owner, prefix, alone: Params, known: Params| Part {
        name: named(prefix, "Setters"),
        of: (!known.is_empty()).then(|| named(prefix, "Params")),
        ..part(owner, prefix, alone.clone(), [known, alone].concat())
    };
    let general = of(Scope::General);
    let (known, of_classifier) = (of(Scope::Estimator), of(Scope::ClassifierEstimator));
    let parts = [
        part(Owner::All, "", all.clone(), all),
        part(Owner::Training, prefix, known.clone(), Vec::new()),
        setters(Owner::Estimator, prefix, of(Scope::EstimatorAlone), known),
        part(Owner::Classifier, "Classifier", classifier.clone(), classifier),
        part(Owner::General, "General", general.clone(), general),
        part(Owner::ClassifierTraining, own, of_classifier.clone(), Vec::new()),
        setters(Owner::ClassifierEstimator, own, Vec::new(), of_classifier),
    ];
    let is_used = |part: &Part| !part.defined.is_empty() || !part.set.is_empty();
    parts.into_iter().filter(is_used).collect()
}

/// `Column` of the group "columns".
pub(crate) fn class(group: &Group) -> String {
    capital(group.name.trim_end_matches('s'))
}

/// Whether the parameter is one of them.
pub(crate) fn has(params: &[&Param], param: &Param) -> bool {
    params.iter().any(|one| one.name == param.name)
}
