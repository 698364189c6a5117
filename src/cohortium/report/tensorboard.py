"""What was revealed to a party, and its own seconds and bytes, as TensorBoard's event files.

Only where the study asks for it, and nothing that is not in metrics.json and record.json too.
"""

from __future__ import annotations

import shutil

from cohortium.report.finished import FinishedRun

FOLDER = "tensorboard"


def write_events(run: FinishedRun) -> None:
    """Write the events into the run's directory, in place of earlier ones, if the study asks.

    Metrics have a step for each λ, in the study's order, with λ itself as "cross-validation/l2";
    seconds by phase and bytes by link have step 0.
    """
    folder = run.directory / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    if not run.study.study.output.tensorboard:
        return
    # TensorFlow takes seconds to load.
    import tensorflow as tf

    # As tf.summary.scalar writes it, which needs the tensorboard package; reading does, not this.
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "scalars"

    def scalar(name: str, value: float, *, step: int) -> None:
        tf.summary.write(name, tf.constant(value, tf.float32), step=step, metadata=metadata)

    with tf.summary.create_file_writer(str(folder)).as_default():
        if run.metrics is not None:
            for step, l2 in enumerate(run.metrics["l2"]):
                scalar("cross-validation/l2", l2, step=step)
            for name, values in run.metrics["metrics"].items():
                for step, value in enumerate(values):
                    if name == "auc_bounds":
                        scalar(f"cross-validation/{name}, lower", value[0], step=step)
                        scalar(f"cross-validation/{name}, upper", value[1], step=step)
                    else:
                        scalar(f"cross-validation/{name}", value, step=step)
        for name, seconds in run.record["seconds"].items():
            scalar(f"seconds/{name}", seconds, step=0)
        for direction, peers in run.record["link_bytes"].items():
            for peer, count in peers.items():
                scalar(f"bytes {direction}/{peer}", count, step=0)
