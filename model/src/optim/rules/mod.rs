//! The update rules, one file a family. Scalars are computed in f64 and applied in f32, as torch.optim does for CPU
//! tensors; every rule is one pass over flat memory whose bits depend neither on the instruction set nor on how the
//! memory is cut.

mod adagrad;
mod adam;
mod adamax;
mod lamb;
mod lion;
mod nadam;
mod rmsprop;
mod rule;
mod sgd;

use crate::arguments::Arguments;
pub(super) use rule::Rule;

/// The rule of complete arguments.
pub(super) fn rule_of(arguments: &Arguments) -> Box<dyn Rule> {
    match arguments.name() {
        "SGD" => Box::new(sgd::Sgd::of(arguments)),
        "LARS" => Box::new(sgd::Lars::of(arguments)),
        "NAdam" => Box::new(nadam::NAdam::of(arguments)),
        "RAdam" => Box::new(nadam::RAdam::of(arguments)),
        "Adagrad" => Box::new(adagrad::Adagrad::of(arguments)),
        "Adadelta" => Box::new(adagrad::Adadelta::of(arguments)),
        "RMSprop" => Box::new(rmsprop::RmsProp::of(arguments)),
        "Adamax" => Box::new(adamax::Adamax::of(arguments)),
        "LAMB" => Box::new(lamb::Lamb::of(arguments)),
        "Lion" => Box::new(lion::Lion::of(arguments)),
        _ => Box::new(adam::Adam::of(arguments)),
    }
}

/// The vector of the state that a momentum needs.
pub(super) const MOMENTUM_BUFFER: &str = "momentum_buffer";
/// The number that NAdam carries, by PyTorch's name.
pub(super) const MU_PRODUCT: &str = "mu_product";

/// True where the rule of these arguments carries a number.
pub(super) fn has_scalar_state(arguments: &Arguments) -> bool {
    arguments.name() == "NAdam"
}

/// Names of the vectors of the state, PyTorch's; `momentum`: some group has a momentum. The momentum's comes last.
pub(super) fn slots(arguments: &Arguments, momentum: bool) -> Vec<&'static str> {
    let mut slots = match arguments.name() {
        "SGD" | "LARS" => vec![],
        "Adagrad" => vec!["sum"],
        "Adadelta" => vec!["square_avg", "acc_delta"],
        "RMSprop" if arguments.flag("centered") => vec!["square_avg", "grad_avg"],
        "RMSprop" => vec!["square_avg"],
        "Adamax" => vec!["exp_avg", "exp_inf"],
        "Lion" => vec!["exp_avg"],
        _ => vec!["exp_avg", "exp_avg_sq"],
    };
    if arguments.flag("amsgrad") {
        slots.push("max_exp_avg_sq");
    }
    if momentum && arguments.has("momentum") {
        slots.push(MOMENTUM_BUFFER);
    }
    slots
}
