package candlewick.jni;

import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;

/**
 * State of which a JVM has one, whatever number of class loaders holds Candlewick (a notebook may
 * attach the jar again in a new one). It hangs under one system property and consists of JDK types
 * only; the number in the property's name changes when the meaning of an entry does.
 */
public final class PerJvm {
  private static final String PROPERTY = "candlewick.jvm.state.2";

  private PerJvm() {}

  /**
   * The map called {@code name}, made by the first who asks.
   *
   * @param name of the map
   * @param <V> a JDK type
   * @return the map
   */
  @SuppressWarnings("unchecked") // only this class writes the property
  public static <V> ConcurrentHashMap<String, V> map(String name) {
    Properties properties = System.getProperties();
    ConcurrentHashMap<String, Object> state;
    synchronized (properties) {
      state = (ConcurrentHashMap<String, Object>) properties.get(PROPERTY);
      if (state == null) {
        state = new ConcurrentHashMap<>();
        properties.put(PROPERTY, state);
      }
    }
    return (ConcurrentHashMap<String, V>)
        state.computeIfAbsent(name, key -> new ConcurrentHashMap<String, V>());
  }
}
