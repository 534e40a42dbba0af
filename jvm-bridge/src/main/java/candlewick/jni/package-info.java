/**
 * The bridge between a JVM and Candlewick's native library: loading, handles, exceptions, trainer
 * processes. It holds no Spark class.
 */
package candlewick.jni;
