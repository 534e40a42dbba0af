package candlewick.fit

import candlewick.checkpoint.{Checkpoints, Identity, LastState, Manifest, OptimizerState, Scratch, Voice}
import candlewick.internal.Json
import candlewick.jni.Snapshot
import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.sql.CandlewickShim

/** What becomes of the states of a fit's training: the one that it goes on from, its checkpoints, and the last one, which
  * the model keeps.
  */
private[fit] final class TrainingStates(prepared: Prepared, link: CoordinatorLink, control: FitControl)
    extends AutoCloseable {
  private val conf = CandlewickShim.hadoopConf(prepared.session)
  private val voice =
    Voice(control.warn, error => control.cancel(error.getMessage, Some(error)), () => control.check())
  private val last =
    if (prepared.launch.saveOptimizer) Some(new LastState(conf, control.warn)(Scratch.make())) else None
  private var checkpoints = Option.empty[Checkpoints]
  private var identity = Option.empty[Identity]

  /** Whether the fit goes on from something, or may. */
  def resumes: Boolean = prepared.continued.isDefined || prepared.launch.checkpoint.isDefined

  /** Gives the coordinator the state of the initial model, if there is one: before anything is started, so that a damaged
    * one costs nothing.
    */
  def begin(): Unit = prepared.continued.foreach { continued =>
    continued.state.read(conf) { (offset, part) =>
      control.check()
      link.resumeFrom(offset, part)
    }
  }

  /** Now that the rows are known: where training goes on from, its state given to the coordinator. That of the initial
    * model, or a checkpoint that stands beyond it, which this fit has written before its driver was lost. New checkpoints are
    * written from now on.
    */
  def resume(ledger: JsonNode): Option[Manifest] = {
    val mine = prepared.launch.identity.map { params =>
      prepared.continued.fold(Identity.of(params, prepared.initial.map(_.file), ledger))(
        _.identity(params, ledger)
      )
    }
    identity = mine
    checkpoints = for {
      spec <- prepared.launch.checkpoint
      known <- mine
    } yield new Checkpoints(conf, spec, known, control.id, voice)
    checkpoints
      .flatMap(fromCheckpoint)
      .orElse(prepared.continued.map { continued =>
        control.warn(s"training goes on from that of the initial model at ${continued.manifest.place}")
        continued.manifest
      })
  }

  private def fromCheckpoint(checkpoints: Checkpoints): Option[Manifest] = {
    var passed = false
    val found = checkpoints.resume(prepared.epochs, prepared.continued.fold(0L)(_.manifest.step)) {
      (offset, part) =>
        passed = true
        link.resumeFrom(offset, part)
    }
    found.foreach { manifest =>
      control.warn(s"training goes on from the checkpoint at ${manifest.place}, written ${manifest.written}")
    }
    // A damaged checkpoint was given in part.
    if (found.isEmpty && passed) begin()
    link.listenForStates(() => checkpoints.offer())
    checkpoints.start(() => take(), () => link.epochs)
    found
  }

  private def take(): Option[Snapshot] = {
    val snapshot = link.takeSnapshot()
    for (state <- snapshot; keeper <- last) keeper.see(state)
    snapshot
  }

  /** Throws where the initial model's training went on with nothing: its early stopping was due at its last epoch. */
  def checkWentOn(resumed: Option[Manifest], steps: Long): Unit =
    for (
      continued <- prepared.continued
      if resumed.contains(continued.manifest) && steps == continued.manifest.step
    )
      throw continued.over()

  /** Training is over: waits for the checkpoints that are being written.
    *
    * @return
    *   the state that the model keeps, where it is to keep one
    */
  def finish(done: JsonNode): Option[OptimizerState] = {
    checkpoints.foreach(_.finish())
    for {
      keeper <- last
      known <- identity
      state <- {
        // Where no checkpoints are written, or one has been written until now.
        take().foreach(_.close())
        val stopping = Option(done.get("stopping")).filterNot(_.isNull)
        keeper.of(known, link.epochs, stopping.exists(Json.field(_, "stoppedEarly").asBoolean))
      }
    } yield state
  }

  override def close(): Unit = checkpoints.foreach(_.close())
}
