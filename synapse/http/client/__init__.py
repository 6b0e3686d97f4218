"""The HTTP/1.1 client: all that the server asks of other servers goes through here.

`client.HttpClient` is the door. Below it, from the outside in: `pool` keeps connections,
`connector` makes them (resolve, judge the address, connect, proxy, TLS), `connection` carries one
exchange at a time, `reader` turns bytes into an answer. `errors` says which of these steps failed.
"""
