//! The parameters of the Scala estimators and models: a file for each group, in it a trait for each scope. What the
//! traits are joined to is written by hand (`NeuralParams.scala`).

use crate::families::class_of;
use crate::parts::{class, has, parts};
use crate::scala_checks::{bounds, one_of};
use crate::text::{self, HEADER, capital, param_words, quoted, wrap};
use crate::{Generated, SCALA};
use candlewick_protocol::compression;
use candlewick_protocol::params::{self, GROUPS, Group, Param};
use candlewick_protocol::value::{BYTE_UNITS, DURATION_UNITS, FOLDERS, Kind, ValueType, pattern};
use std::fmt::Write as _;

const WIDTH: usize = 100;

/// A parameter that Spark ML has too, by the same name.
pub(crate) struct Shared {
    /// Name of the parameter.
    pub name: &'static str,
    /// Its trait in Scala and its class in Python.
    pub owner: &'static str,
    /// True where Spark lets nobody define it anew in Scala.
    fixed: bool,
    /// True where the classes of Spark that estimators and models extend have the setter.
    set: bool,
}

const fn shared(name: &'static str, owner: &'static str, fixed: bool, set: bool) -> Shared {
    Shared {
        name,
        owner,
        fixed,
        set,
    }
}

/// What comes from Spark ML. The order is that of Spark's own classes: Python's parents must not contradict theirs.
pub(crate) const SHARED: [Shared; 10] = [
    shared("probabilityCol", "HasProbabilityCol", true, true),
    shared("thresholds", "HasThresholds", false, true),
    shared("rawPredictionCol", "HasRawPredictionCol", true, true),
    shared("labelCol", "HasLabelCol", true, true),
    shared("featuresCol", "HasFeaturesCol", true, true),
    shared("predictionCol", "HasPredictionCol", true, true),
    shared("handleInvalid", "HasHandleInvalid", false, false),
    shared("weightCol", "HasWeightCol", true, false),
    shared("validationIndicatorCol", "HasValidationIndicatorCol", true, false),
    shared("seed", "HasSeed", true, false),
];

/// What Spark's traits of these parameters are called, in their order.
pub(crate) fn owners<'a>(params: impl Iterator<Item = &'a Param>) -> Vec<&'static str> {
    let names: Vec<&str> = params.map(|param| param.name).collect();
    let known = SHARED.iter().filter(|shared| names.contains(&shared.name));
    known.map(|shared| shared.owner).collect()
}

/// Parameters that Spark lets nobody define anew in Scala.
pub(crate) fn fixed() -> impl Iterator<Item = &'static Param> {
    let is_fixed = |param: &&Param| {
        SHARED
            .iter()
            .any(|shared| shared.fixed && shared.name == param.name)
    };
    params::all().filter(is_fixed)
}

/// Every file.
pub(crate) fn files() -> Vec<Generated> {
    let file = |group| Generated {
        path: format!("{SCALA}/{}Params.scala", class(group)),
        content: file(group),
    };
    GROUPS.iter().map(file).collect()
}

fn file(group: &'static Group) -> String {
    let mut out = String::new();
    for part in parts(group) {
        let name = &part.name;
        let mut parents = vec![part.of.as_deref().unwrap_or("Params")];
        parents.extend(self::owners(part.defined.iter().copied()));
        let mut head = format!("trait {name} extends {} {{\n", parents.join(" with "));
        if head.len() > WIDTH {
            head = format!("trait {name}\n    extends {} {{\n", parents.join("\n    with "));
        }
        let _ = write!(out, "\n/** {} {} */\n{head}", part.about, group.doc);
        for param in group.params {
            if has(&part.defined, param) {
                member(&mut out, param);
            }
            if has(&part.set, param) {
                setters(&mut out, param);
            }
        }
        out.push_str("}\n");
    }
    let import = |part: &str, line: &'static str| if out.contains(part) { line } else { "" };
    format!(
        "// {HEADER}\npackage candlewick.generated\n\n{}{}import org.apache.spark.ml.param._\n{}{out}",
        // Ours are DocumentParam, SwitchParam and ClassWeightsParam.
        if out.contains("DocumentParam")
            || out.contains("new SwitchParam")
            || out.contains("ClassWeights")
            || out.contains("TextMapParam")
            || out.contains(".json)")
        {
            "import candlewick._\n"
        } else {
            ""
        },
        import("Legal", "import candlewick.internal.Legal\n"),
        import(" with Has", "import org.apache.spark.ml.param.shared._\n")
    )
}

fn member(out: &mut String, param: &Param) {
    let Param { name, ty, .. } = *param;
    let (_, _, value) = types(ty);
    let upper = capital(name);
    let words = param_words(param);
    let shared = SHARED.iter().find(|shared| shared.name == name);
    match shared {
        Some(shared) if shared.fixed => {
            let about = format!("{name}: {words}");
            let _ = writeln!(out, "\n{}", wrap(&about, WIDTH, "  // ", "  // "));
        }
        Some(_) => definition(out, param, "override val"),
        None => definition(out, param, "final val"),
    }
    if let Some(default) = text::default_of(param) {
        let suffix = if ty == ValueType::Long { "L" } else { "" };
        let _ = writeln!(out, "  setDefault({name}, {default}{suffix})");
    }
    if ty == ValueType::TextMap {
        let _ = write!(
            out,
            "\n  /** @group getParam */\n  final def get{upper}: Map[String, String] = TextMap.of($({name}))\n\n  \
             /** @group setParam */\n  def set{upper}(value: Map[String, String]): this.type = set({name}, TextMap.json(value))\n",
        );
        return;
    }
    if shared.is_none() {
        let _ = write!(
            out,
            "\n  /** @group getParam */\n  final def get{upper}: {value} = $({name})\n"
        );
    }
}

fn setters(out: &mut String, param: &Param) {
    let Param { name, ty, .. } = *param;
    let (_, _, value) = types(ty);
    let upper = capital(name);
    let words = param_words(param);
    let shared = SHARED.iter().find(|shared| shared.name == name);
    if shared.is_none_or(|shared| !shared.set) {
        let doc = match shared {
            Some(_) => format!(
                "{}\n    *\n    * @group setParam\n    */",
                wrap(&words, WIDTH, "  /** ", "    * ")
            ),
            None => "  /** @group setParam */".to_owned(),
        };
        let _ = write!(
            out,
            "\n{doc}\n  def set{upper}(value: {value}): this.type = set({name}, value)\n"
        );
    }
    if ty == ValueType::Switch {
        let _ = write!(
            out,
            "\n  /** @group setParam */\n  def set{upper}(value: Boolean): this.type = set({name}, value.toString)\n"
        );
    }
    if let ValueType::Document(kind) = ty {
        let _ = write!(
            out,
            "\n  /** @group setParam */\n  def set{upper}(value: {}): this.type = set({name}, value.json)\n",
            class_of(kind)
        );
    }
    if ty == ValueType::Document(Kind::Loss) {
        let _ = write!(
            out,
            "\n  /** A loss for each output by its name: `setLoss(\"digit\" -> nn.CrossEntropyLoss())`. Their sum is what is \
             trained.\n    *\n    * @group setParam\n    */\n  \
             def set{upper}(first: (String, Loss), others: (String, Loss)*): this.type =\n    \
             set({name}, Losses.byOutput(first +: others).json)\n"
        );
    }
    if ty == ValueType::ClassWeights {
        let _ = write!(
            out,
            "\n  /** A weight for each class; classes that are not named weigh 1.\n    *\n    * @group setParam\n    */\n  \
             def set{upper}(value: Map[Int, Double]): this.type = set({name}, ClassWeights.json(value))\n"
        );
    }
}

/// The parameter itself.
fn definition(out: &mut String, param: &Param, modifiers: &str) {
    let name = param.name;
    let (class, made, value) = types(param.ty);
    let words = param_words(param);
    let _ = write!(
        out,
        "\n{}\n    * @group param\n    */\n  {modifiers} {name}: {class} = new {made}(\n    this,\n    {},\n    {}{}\n  )\n",
        wrap(&words, WIDTH, "  /** ", "    * "),
        quoted(name),
        quoted(&words),
        more(param, value).map_or(String::new(), |validator| format!(",\n    {validator}"))
    );
}

/// Type of the parameter, class that it is made of, type of its value.
fn types(ty: ValueType) -> (&'static str, &'static str, &'static str) {
    let same = |class, value| (class, class, value);
    match ty {
        ValueType::Document(_) => ("Param[String]", "DocumentParam", "String"),
        ValueType::Switch => ("Param[String]", "SwitchParam", "String"),
        ValueType::ClassWeights => ("Param[String]", "ClassWeightsParam", "String"),
        ValueType::TextMap => ("Param[String]", "TextMapParam", "String"),
        ValueType::Int => same("IntParam", "Int"),
        ValueType::Long => same("LongParam", "Long"),
        ValueType::Real => same("DoubleParam", "Double"),
        ValueType::Bool => same("BooleanParam", "Boolean"),
        ValueType::TextList => same("StringArrayParam", "Array[String]"),
        ValueType::IntList => same("IntArrayParam", "Array[Int]"),
        ValueType::RealList | ValueType::Thresholds => same("DoubleArrayParam", "Array[Double]"),
        _ => same("Param[String]", "String"),
    }
}

/// What a parameter is made with beside its name and its doc.
fn more(param: &Param, value: &str) -> Option<String> {
    match param.ty {
        ValueType::Document(Kind::Loss) => Some("Formats.Losses".to_owned()),
        ValueType::Document(Kind::Optimizer) => Some("Formats.Optimizers".to_owned()),
        ValueType::Document(Kind::Scheduler) => Some("Formats.Schedulers".to_owned()),
        ValueType::ClassWeights => Some(quoted(&param.domain().expected())),
        _ => validator(param, value),
    }
}

/// What refuses a wrong value; none where the type says it all, or the class checks it itself.
fn validator(param: &Param, value: &str) -> Option<String> {
    let items = |range: &str| format!("Legal.each({range})");
    let check = match param.ty {
        ValueType::Int | ValueType::Real => bounds(param.range)?,
        ValueType::IntList => items(&bounds(param.range).unwrap_or_default()),
        ValueType::RealList => items(&bounds(param.range).unwrap_or_default()),
        ValueType::Thresholds => "Legal.thresholds".to_owned(),
        ValueType::TextList => "ParamValidators.arrayLengthGt[String](0)".to_owned(),
        ValueType::Duration => format!("Legal.matches({})", quoted(&pattern(&DURATION_UNITS))),
        ValueType::Bytes => format!("Legal.matches({})", quoted(&pattern(&BYTE_UNITS))),
        ValueType::Compression => format!("Legal.matches({})", quoted(compression::PATTERN)),
        ValueType::Folders => format!("Legal.matches({})", quoted(FOLDERS)),
        ValueType::Text | ValueType::Switch => one_of(param.range)?,
        _ => return None,
    };
    let expected = quoted(&param.domain().expected());
    Some(format!(
        "Legal[{value}]({}, {expected}, {check})",
        quoted(param.name)
    ))
}
