"""What the OpenAPI document cannot say: `source` and `backend` have to match, else the answer is 400.

A schema describes each parameter by itself, so a request with both is sent with `backend` alone. The
tests of the API send the pairs that do not match.
"""

import schemathesis


@schemathesis.hook
def map_query(context, query):
    if query and "source" in query and "backend" in query:
        return {name: value for name, value in query.items() if name != "source"}
    return query
