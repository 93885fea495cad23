from kick.testing import TestClient


def test_products_are_found_by_a_part_of_their_name(client: TestClient, tea: int) -> None:
    assert [each["id"] for each in client.get("/products?text=TEA").json()] == [tea]
    assert client.get("/products?text=%25").json() == []
    assert client.get("/products?page=2").json() == []
    assert client.get(f"/products/{tea}").json()["price"] == 450


def test_a_product_that_does_not_exist_is_a_404(client: TestClient) -> None:
    assert client.get("/products/7").status_code == 404


def test_caches_do_not_keep_that_a_picture_is_missing(client: TestClient) -> None:
    missing = client.get("/pictures/tea.png")
    assert (missing.status_code, missing.headers.get("cache-control")) == (404, None)


def test_the_api_is_described(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["info"]["title"] == "The shop"
    assert document["paths"]["/cart/{product_id}"]["post"]["summary"] == "Put products into the cart"
    assert {"/orders", "/orders/events", "/admin/products", "/pictures/{name}"} <= document["paths"].keys()
    assert client.get("/docs", headers={"accept": "text/html"}).status_code == 200
