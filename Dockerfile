# The image of all services in compose.yaml but the database.
FROM python:3.11-slim
RUN useradd --create-home atom && mkdir /store && chown atom /store
WORKDIR /atom
COPY pyproject.toml constraints.txt README.md LICENSE prefect.yaml ./
COPY storage storage
COPY atom atom
COPY flows flows
RUN pip install --no-cache-dir -c constraints.txt -e .
USER atom
