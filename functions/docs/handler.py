"""GET /openapi.json, /docs and /v1/assets; and 404 for every path that no route knows."""

from pathlib import Path

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi import swagger_ui
from aws_lambda_powertools.event_handler.openapi.swagger_ui.html import generate_swagger_html
from pydantic import BaseModel

from tallystick import http, wiring

app = http.build_app()

CONTRACT = Path(__file__).parent / "openapi.json"
UI = Path(swagger_ui.__file__).parent
PAGE_HEADERS = {
    "Cache-Control": "max-age=3600",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; connect-src 'self'; frame-ancestors 'none'",
}


class AssetView(BaseModel):
    """Show an asset that wallets can hold."""

    code: str
    scale: int
    kind: str


class AssetPage(BaseModel):
    """List all assets."""

    items: list[AssetView]
    next_cursor: None = None


@app.get("/v1/assets", tags=["assets"])
def list_assets() -> Response[AssetPage]:
    """List the assets that wallets can hold, with their decimals."""
    assets = wiring.settings().assets.values()
    return http.ok(
        AssetPage(items=[AssetView(code=asset.code, scale=asset.scale, kind=asset.kind) for asset in assets])
    )


@app.get("/openapi.json", include_in_schema=False)
def openapi() -> Response[str]:
    """Serve the contract, which is generated from the code."""
    return http.document("application/json", CONTRACT.read_text())


@app.get("/docs", include_in_schema=False)
def docs() -> Response[str]:
    """Show the contract with the Swagger UI that Powertools brings; its page links to the contract by `format`."""
    if app.current_event.query_string_parameters.get("format") == "json":
        return openapi()
    script, style = (UI / "swagger-ui-bundle.min.js").read_text(), (UI / "swagger-ui.min.css").read_text()
    page = generate_swagger_html(CONTRACT.read_text(), script, style, swagger_base_url="", oauth2_config=None)
    return http.document("text/html", page, PAGE_HEADERS)


handler = http.lambda_handler(app)
