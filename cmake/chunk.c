/* chunk.c - a Lua file as a C array, compiled: what every run begins with is parsed once, by the
 * build, and not by each run. Names and lines stay in it, for messages. */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>

static int write_bytes(lua_State *lua, const void *bytes, size_t size, void *file)
{
    (void)lua;
    for (size_t i = 0; i < size; i++) {
        if (fprintf(file, "%u,", ((const unsigned char *)bytes)[i]) < 0)
            return 1;
    }
    return 0;
}

/* IN OUT NAME: unsigned char NAME[] and its size. Messages call it by the last part of IN. */
static int compile(const char *in, const char *out, const char *name)
{
    lua_State *lua = luaL_newstate();
    FILE *from = fopen(in, "rb"), *to = fopen(out, "wb");
    static char source[1 << 20];
    if (lua == NULL || from == NULL || to == NULL) {
        fprintf(stderr, "chunk: cannot open %s or %s\n", in, out);
        return 1;
    }
    size_t size = fread(source, 1, sizeof source, from);
    const char *last = in;
    for (const char *p = in; *p != 0; p++)
        last = *p == '/' ? p + 1 : last;
    const char *chunk = lua_pushfstring(lua, "=%s", last);
    if (size == sizeof source || luaL_loadbufferx(lua, source, size, chunk, "t") != LUA_OK) {
        fprintf(stderr, "%s: %s\n", in, size == sizeof source ? "too long" : lua_tostring(lua, -1));
        return 1;
    }
    fprintf(to, "static const unsigned char %s[] = {", name);
    int failed = lua_dump(lua, write_bytes, to, 0);
    fprintf(to, "};\n");
    fclose(from);
    lua_close(lua);
    return fclose(to) != 0 || failed;
}

int main(int argc, char **argv)
{
    return argc == 4 ? compile(argv[1], argv[2], argv[3]) : 2;
}
