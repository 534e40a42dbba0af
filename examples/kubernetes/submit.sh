#!/usr/bin/env bash
# Submits an example to Kubernetes: API=https://HOST:6443 IMAGE=REGISTRY/candlewick-spark:0.1.0 examples/kubernetes/submit.sh
set -euo pipefail
cd "$(dirname "$0")"
exec spark-submit \
  --master "k8s://$API" --deploy-mode cluster --name candlewick-diabetes \
  --conf spark.kubernetes.namespace="${NAMESPACE:-spark}" \
  --conf spark.kubernetes.authenticate.driver.serviceAccountName=spark \
  --conf spark.kubernetes.container.image="$IMAGE" \
  --conf spark.kubernetes.driver.podTemplateFile=pod-template.yaml \
  --conf spark.kubernetes.executor.podTemplateFile=pod-template.yaml \
  --conf spark.kubernetes.driver.label.app=candlewick \
  --conf spark.kubernetes.executor.label.app=candlewick \
  --conf spark.executor.instances=2 --conf spark.executor.cores=4 \
  --conf spark.executor.memory=4g --conf spark.executor.memoryOverhead=4g \
  --conf spark.driver.port=7078 --conf spark.blockManager.port=7079 \
  --conf spark.candlewick.coordinator.port=7100-7110 \
  --conf spark.candlewick.trainer.portRange=7200-7203 \
  --conf spark.driver.extraJavaOptions=-Dcandlewick.native.cacheDir=/opt/candlewick/native \
  --conf spark.executor.extraJavaOptions=-Dcandlewick.native.cacheDir=/opt/candlewick/native \
  --conf spark.decommission.enabled=true \
  local:///opt/spark/work-dir/diabetes.py
