package candlewick.fit

import candlewick.cluster.{Machine, MemoryLimit}
import candlewick.internal.Bytes
import org.apache.spark.SparkContext

/** What the driver's process may have for steps that a plan tries.
  *
  * @param bytes
  *   none: nothing is known to bound it
  * @param source
  *   where the number comes from, for messages
  */
private[fit] final case class DriverRoom(bytes: Option[Long], source: String)

private[fit] object DriverRoom {

  /** The part of its container, or of its machine, that trainers would have there. */
  def of(sc: SparkContext): DriverRoom = {
    val inContainer = sc.deployMode == "cluster"
    val overhead = if (inContainer) MemoryLimit.ofDriver(sc.getConf, sc.master) else None
    val machine = Machine.memory().map(MemoryLimit.ofMachine(_, 1))
    overhead match {
      case Some(bytes) if machine.forall(bytes < _) =>
        DriverRoom(Some(bytes), s"${MemoryLimit.OfOverhead} % of spark.driver.memoryOverhead")
      case _ => DriverRoom(machine, s"${MemoryLimit.OfMachine} % of the memory of the driver's machine")
    }
  }
}

/** Why a plan tries no steps. */
private[fit] object Untried {

  /** Trainers that are tried side by side at most. */
  private val Together = 8

  /** A line, where the driver's machine does not tell what steps take, or has no room for them.
    *
    * @param alone
    *   bytes of one trainer with the shards of all, which is tried too where there are several
    */
  def why(device: Device, needs: Needs, alone: Long, near: Int, room: DriverRoom): Option[String] = {
    val wanted = math.max(alone, needs.besideRows * math.max(1, math.min(near, Together)))
    if (device.gpus.isDefined)
      Some(
        "what steps take on GPUs is not known before a fit: the seconds are those of reading and starting alone"
      )
    else
      room.bytes.filter(_ <= wanted).map { bytes =>
        s"steps were not tried: they take ${Bytes.text(wanted)} in the driver, which may use ${Bytes.text(bytes)} (${room.source}); " +
          "the seconds are those of reading and starting alone"
      }
  }
}
