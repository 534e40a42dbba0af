package candlewick.fit

/** Points of a fit at which a test may strike: what it sets is called there, in the fit's own thread, which makes the
  * moment last. Nothing else sets it.
  */
private[candlewick] object FitPoint {
  @volatile var hook: String => Unit = (_: String) => ()

  /** Places are found, nothing was started. */
  val Placed = "placed"

  /** All trainers have registered and are not yet members. */
  val Registered = "registered"

  /** A trainer has built its network, and the coordinator knows: one that comes while the fit runs is taken in from then on.
    * Told again with each of its beats; in the thread of events.
    */
  def built(trainer: String): String = s"built $trainer"

  /** The coordinator counts a trainer as lost, and the driver knows; in the thread of events. */
  def lost(trainer: String): String = s"lost $trainer"
}
