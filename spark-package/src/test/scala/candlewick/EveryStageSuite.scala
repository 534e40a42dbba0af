package candlewick

import java.lang.reflect.{Method, Modifier}
import java.nio.file.{Files, Path, Paths}
import org.apache.spark.SparkException
import org.apache.spark.ml._
import org.apache.spark.ml.evaluation._
import org.apache.spark.ml.functions.vector_to_array
import org.apache.spark.ml.param._
import org.apache.spark.ml.tuning._
import org.apache.spark.ml.util.{MLReader, MLWritable}
import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.functions.col
import org.apache.spark.sql.types.StructType
import scala.jdk.CollectionConverters._
import scala.util.Try

/** What every stage has to do, of all stages that there are: one that is new is found by itself. */
class EveryStageSuite extends SparkSuite {
  import EveryStageSuite._

  private lazy val data = blobs(120).withColumn("y", vector_to_array(col("features"))(0)).cache()

  /** An estimator that fits in no time, and how its models are judged. */
  private case class Subject(make: () => Estimator[_], judge: Evaluator)

  private val subjects: Seq[Subject] = Seq(
    Subject(() => classifier().setEpochs(2), new MulticlassClassificationEvaluator()),
    Subject(() => regressor().setEpochs(2).setLabelCol("y"), new RegressionEvaluator().setLabelCol("y")),
    Subject(() => general(), new MulticlassClassificationEvaluator().setPredictionCol("prediction_kind"))
  )

  /** Two tasks, a class and what the features are. */
  private def general(): NeuralEstimator = {
    val features = nn.Input("features", 4)
    val hidden = nn.Tanh()(nn.Linear(8)(features))
    new NeuralEstimator()
      .setNetwork(nn.Graph(Seq(features), "kind" -> nn.Linear(3)(hidden), "again" -> nn.Linear(4)(hidden)))
      .setLabelCols(Array("label", "features"))
      .setLoss(
        "kind" -> nn.LossTerm(nn.CrossEntropyLoss(), label = "label"),
        "again" -> nn.LossTerm(nn.MSELoss(), label = "features")
      )
      .setOptimizer(candlewick.optim.AdamW(lr = 0.05))
      .setEpochs(2)
  }

  private lazy val fitted: Seq[(Subject, Estimator[_], Model[_])] = subjects.map { subject =>
    val estimator = subject.make()
    (subject, estimator, estimator.fit(data).asInstanceOf[Model[_]])
  }

  private def stages: Seq[PipelineStage] = fitted.flatMap { case (_, estimator, model) =>
    Seq(estimator, model)
  }

  test("every stage of the jar has its subject here") {
    val found = published
    assert(found.size >= 4, found)
    assert(stages.map(_.getClass.getName).toSet == found, "add a new estimator to the subjects of this suite")
  }

  test("estimators are made with and without an id") {
    for (subject <- subjects) {
      val kind = subject.make().getClass.asInstanceOf[Class[PipelineStage]]
      def made: PipelineStage = kind.getConstructor().newInstance()
      val one = made
      assert(one.uid.startsWith(kind.getSimpleName + "_") && one.uid != made.uid)
      assert(kind.getConstructor(classOf[String]).newInstance("mine").uid == "mine")
      assert(one.params.forall(param => !one.isSet(param)))
    }
  }

  test("every parameter has a getter, those that are set have a setter, and both agree") {
    for (stage <- stages.map(_.copy(ParamMap.empty)); param <- stage.params) {
      val name = param.name.capitalize
      val getter = methods(stage, s"get$name", 0).headOption
      assert(getter.isDefined, s"${stage.getClass.getSimpleName} has no get$name")
      val value = sample(stage, param)
      val setter =
        methods(stage, s"set$name", 1).find(method => accepts(method.getParameterTypes.head, value))
      assert(
        setter.isDefined || stage.isInstanceOf[Model[_]],
        s"${stage.getClass.getSimpleName} has no set$name"
      )
      stage.clear(param)
      setter.foreach { set =>
        assert(set.invoke(stage, value.asInstanceOf[AnyRef]) eq stage, s"set$name gives the stage")
        // Where the getter gives what a document says, the document is as it was set.
        val got = getter.get.invoke(stage)
        assert(plain(got) == plain(value) || plain(stage.get(param).get) == plain(value), s"get$name")
        assert(stage.isSet(param))
        stage.clear(param)
        assert(!stage.isSet(param))
      }
    }
  }

  test("a model in a closure of Spark says how rows are scored") {
    for ((_, _, model) <- fitted) {
      val refused = intercept[SparkException](
        data.sparkSession.sparkContext.parallelize(1 to 2).foreach(_ => model.uid: Unit)
      )
      assert(Iterator.iterate[Throwable](refused)(_.getCause).takeWhile(_ != null).exists { cause =>
        cause.getMessage.contains("model.transform(df)")
      })
    }
  }

  test("explainParams tells every parameter once, with what it does and what it is") {
    for (stage <- stages) {
      val lines = stage.explainParams().split("\n").toSeq
      assert(lines.map(_.takeWhile(_ != ':')) == stage.params.map(_.name).toSeq)
      for ((line, param) <- lines.zip(stage.params)) {
        assert(line == stage.explainParam(param) && line.length > param.name.length + 20, line)
        for (value <- stage.get(param).filter(_.isInstanceOf[Number]))
          assert(line.contains(s"current: $value)"), line)
      }
    }
  }

  test("a copy is like the stage, and what it is given changes it alone") {
    for (stage <- stages) {
      val before = state(stage)
      val same = stage.copy(ParamMap.empty)
      assert(same.getClass == stage.getClass && (same ne stage) && state(same) == before)
      for (param <- stage.params) {
        val value = sample(stage, param)
        val other = stage.copy(ParamMap(param.asInstanceOf[Param[Any]].w(value)))
        assert(plain(other.getOrDefault(other.getParam(param.name))) == plain(value), param)
        assert(state(other) - param.name == before - param.name && state(stage) == before, param)
      }
      (stage, same) match {
        case (one: Model[_], other: Model[_]) => assert(other.parent == one.parent)
        case _ => ()
      }
    }
  }

  test("fit changes nothing of the estimator, and its model knows what it was trained with") {
    for ((subject, estimator, model) <- fitted) {
      assert(state(estimator) == state(subject.make()).updated("uid", estimator.uid))
      assert(model.parent == estimator && model.uid == estimator.uid)
      val alone = estimator.params.map(_.name).toSet -- model.params.map(_.name)
      assert(alone == Set("network", "initialWeights", "strictWeights"))
      assert(state(model) == state(estimator) -- alone)
      val more = estimator.fit(data, ParamMap(estimator.getParam("epochs").asInstanceOf[Param[Any]].w(1)))
      assert(call(more, "getEpochs") == 1 && call(model, "getEpochs") == 2)
      assert(call(model, "getNetwork").toString.contains("in_features"))
    }
  }

  test("transformSchema is the schema of what transform gives, which keeps rows and columns") {
    for ((_, estimator, model) <- fitted) {
      val scored = model.transform(data)
      def columns(schema: StructType) = schema.map(field => field.name -> field.dataType)
      assert(columns(estimator.transformSchema(data.schema)) == columns(scored.schema))
      assert(columns(model.transformSchema(data.schema)) == columns(scored.schema))
      assert(rows(scored.select(data.columns.map(col).toSeq: _*)) == rows(data))
    }
  }

  test("what is saved and loaded has the parameters, the id and the predictions that it had") {
    for (stage <- stages) {
      val loaded = again(stage)
      assert(loaded.getClass == stage.getClass && state(loaded) == state(stage))
      (stage, loaded) match {
        case (one: Model[_], other: Model[_]) =>
          assert(rows(other.transform(data)) == rows(one.transform(data)))
        case (one: Estimator[_], other: Estimator[_]) =>
          val models = Seq(one, other).map(_.fit(data).asInstanceOf[Model[_]])
          assert(call(models.head, "weightsHash") == call(models(1), "weightsHash"))
        case _ => fail(s"$stage is neither of both")
      }
    }
    // Every parameter, set.
    for (stage <- stages.map(_.copy(ParamMap.empty))) {
      stage.params.foreach(param => stage.set(param.asInstanceOf[Param[Any]], sample(stage, param)))
      assert(state(again(stage)) == state(stage))
    }
  }

  test("in a Pipeline, fitted, saved and loaded") {
    for ((_, estimator, model) <- fitted) {
      val pipeline = again(new Pipeline().setStages(Array[PipelineStage](estimator))).asInstanceOf[Pipeline]
      val piped = again(pipeline.fit(data)).asInstanceOf[PipelineModel]
      assert(rows(piped.transform(data)) == rows(model.transform(data)))
    }
  }

  test("in CrossValidator and TrainValidationSplit, whose models know what they were trained with") {
    for ((subject, estimator, _) <- fitted) {
      val epochs = estimator.getParam("epochs").asInstanceOf[IntParam]
      val grid = new ParamGridBuilder().addGrid(epochs, Array(0, 4)).build()
      val validator =
        new CrossValidator().setEstimator(estimator).setEstimatorParamMaps(grid).setEvaluator(subject.judge)
      val crossed = validator.setNumFolds(2).setParallelism(2).setCollectSubModels(true).setSeed(5).fit(data)
      assert(crossed.subModels.map(_.length).toSeq == Seq(2, 2))
      crossed.subModels.foreach(fold => assert(fold.map(call(_, "getEpochs")).toSeq == Seq(0, 4)))
      assert(call(crossed.bestModel, "getEpochs") == 4)
      val loaded = again(crossed).asInstanceOf[CrossValidatorModel]
      assert(call(loaded.bestModel, "getEpochs") == 4 && loaded.avgMetrics.toSeq == crossed.avgMetrics.toSeq)
      assert(rows(loaded.transform(data)) == rows(crossed.transform(data)))
      val split = new TrainValidationSplit()
        .setEstimator(estimator)
        .setEstimatorParamMaps(grid)
        .setEvaluator(subject.judge)
      val chosen = split.setParallelism(2).setCollectSubModels(true).setSeed(5).fit(data)
      assert(chosen.subModels.map(call(_, "getEpochs")).toSeq == Seq(0, 4))
      assert(call(chosen.bestModel, "getEpochs") == 4)
    }
  }

  /** Saved, and loaded by the reader of its class. */
  private def again(stage: Params): Params = {
    val path = freshPath()
    stage.asInstanceOf[MLWritable].write.save(path)
    val reader = stage.getClass.getMethod("read").invoke(null).asInstanceOf[MLReader[_]]
    reader.load(path).asInstanceOf[Params]
  }

  private def rows(frame: DataFrame): Seq[Row] = frame.orderBy("id").collect().toSeq
}

object EveryStageSuite {

  /** Names of all stages that can be made, as they lie where the classes of the jar do. */
  private def published: Set[String] = {
    val root = Paths.get(classOf[NeuralClassifier].getProtectionDomain.getCodeSource.getLocation.toURI)
    val all = Files.walk(root.resolve("candlewick"))
    try
      all.iterator().asScala.filter(_.toString.endsWith(".class")).map(nameOf(root, _)).filter(isStage).toSet
    finally all.close()
  }

  private def nameOf(root: Path, file: Path): String =
    root.relativize(file).toString.stripSuffix(".class").replace('/', '.')

  private def isStage(name: String): Boolean = {
    val kind = Class.forName(name, false, getClass.getClassLoader)
    classOf[PipelineStage].isAssignableFrom(kind) && !Modifier.isAbstract(kind.getModifiers)
  }

  private def call(stage: Any, method: String): Any = stage.getClass.getMethod(method).invoke(stage)

  private def methods(stage: Any, name: String, arguments: Int): Seq[Method] =
    stage.getClass.getMethods.toSeq.filter(method =>
      method.getName == name && method.getParameterCount == arguments
    )

  private def accepts(kind: Class[_], value: Any): Boolean = value match {
    case _: Int => kind == classOf[Int]
    case _: Long => kind == classOf[Long]
    case _: Double => kind == classOf[Double]
    case _: Boolean => kind == classOf[Boolean]
    case other => kind.isInstance(other)
  }

  /** A value that can be compared. */
  private def plain(value: Any): Any = value match {
    case items: Array[_] => items.toSeq
    case other => other
  }

  /** What a stage is: its id, and every parameter that is set or has a default. */
  private def state(stage: Params): Map[String, Any] = {
    val values = stage.params.flatMap(param =>
      Try(stage.getOrDefault(param)).toOption.map(value => param.name -> plain(value))
    )
    values.toMap.updated("uid", stage.uid)
  }

  private val Values: Seq[Any] = Seq(
    3,
    2,
    1,
    11L,
    0.25,
    1.5,
    true,
    false,
    "other",
    "skip",
    "none",
    "7s",
    "9m",
    "balanced",
    "bf16",
    "delayed",
    "cpu",
    "auto",
    "/spool",
    "{\"type\":\"SGD\",\"lr\":0.5}",
    "{\"0\":\"inner\"}",
    "true",
    Array("a", "b"),
    Array(2, 2),
    Array(0.5, 0.25, 0.25)
  )

  /** A legal value of a parameter that is not the one that it has. */
  private def sample(stage: Params, param: Param[_]): Any = {
    val typed = param.asInstanceOf[Param[Any]]
    val now = stage.get(typed).orElse(stage.getDefault(typed)).map(plain)
    def fits(value: Any) =
      kindOf(param).isInstance(value) && !now.contains(plain(value)) && Try(typed.w(value)).isSuccess
    Values
      .find(fits)
      .getOrElse(throw new AssertionError(s"add a legal value of ${param.name} to the values of this suite"))
  }

  private def kindOf(param: Param[_]): Class[_] = param match {
    case _: IntParam => classOf[java.lang.Integer]
    case _: LongParam => classOf[java.lang.Long]
    case _: DoubleParam => classOf[java.lang.Double]
    case _: BooleanParam => classOf[java.lang.Boolean]
    case _: StringArrayParam => classOf[Array[String]]
    case _: IntArrayParam => classOf[Array[Int]]
    case _: DoubleArrayParam => classOf[Array[Double]]
    case _ => classOf[String]
  }
}
