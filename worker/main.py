"""The console script: the node's commands, with those that load models mounted beside."""

from dicom_node import log
from dicom_node.cli.app import app
from models.commands import app as models_app
from worker.analysis import analyze
from worker.compare import compare


def main() -> None:
    """Run ``dicom-node``; what it logs goes to standard error, so that ``--json`` stays JSON."""
    log.configure("WARNING")
    models_app.command()(compare)
    app.add_typer(models_app, name="models")
    app.command()(analyze)
    app()


if __name__ == "__main__":
    main()
