"""Builds the app bundle of this release for Flower, and the run that is started with it.

`models/wire/app_bundle.py` says what is in a bundle and checks it on the participants' side.
"""

from flwr.cli.build import build_fab_from_files

from models.wire.app_bundle import CLIENT_APP, PROJECT_FILE, SERVER_APP, check_bundle, project_file


def app_bundle(server_app: str = SERVER_APP, client_app: str = CLIENT_APP) -> bytes:
    """The bundle that names these installed apps, each `module:attribute`; the same bytes every time."""
    bundle, _ = build_fab_from_files({PROJECT_FILE: project_file(server_app, client_app)})
    # A Flower that builds otherwise would be refused by every participant: better here than there.
    check_bundle(bundle, server_app=server_app, client_app=client_app)
    return bundle
