/* lua.c - a Lua state that knows nothing of the machine it runs on: no clock, no files, no
 * addresses, bounded memory and steps. */
#include <stdio.h>
#include "script/internal.h"
#include "script/prelude_lua.h"

static void *allocate(void *context, void *p, size_t old_size, size_t new_size)
{
    struct script *s = context;
    size_t old = p == NULL ? 0 : old_size; /* without a block, old_size is a type */
    if (new_size == 0) {
        mem_free(s->mem, p);
        s->lua_bytes -= old;
        return NULL;
    }
    /* The engine's own steps have room even when a script has taken all of its own. */
    size_t max = SCRIPT_MEMORY_MAX + (s->running == NULL ? SCRIPT_MEMORY_SPARE : 0);
    if (new_size > old && s->lua_bytes - old + new_size > max)
        return NULL;
    void *grown = mem_realloc(s->mem, p, new_size);
    if (grown == NULL && new_size > old)
        return NULL;
    s->lua_bytes += new_size - old;
    return grown == NULL ? p : grown; /* Lua counts on it that a block can always shrink */
}

static int traceback(lua_State *lua)
{
    const char *text = lua_tostring(lua, 1);
    luaL_traceback(lua, lua, text == NULL ? "an error without a text" : text, 1);
    return 1;
}

static void open_libraries(lua_State *lua)
{
    static const luaL_Reg libraries[] = {{LUA_GNAME, luaopen_base},
                                         {LUA_STRLIBNAME, luaopen_string},
                                         {LUA_TABLIBNAME, luaopen_table},
                                         {LUA_MATHLIBNAME, luaopen_math}};
    for (int i = 0; i < COUNT_OF(libraries); i++) {
        luaL_requiref(lua, libraries[i].name, libraries[i].func, 1);
        lua_pop(lua, 1);
    }
}

static void remove_globals(lua_State *lua)
{
    static const char *const names[] = {"dofile", "loadfile", "load", "collectgarbage", "next"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        lua_pushnil(lua);
        lua_setglobal(lua, names[i]);
    }
    lua_getglobal(lua, "math");
    lua_pushnil(lua);
    lua_setfield(lua, -2, "randomseed");
    lua_pushnil(lua);
    lua_setfield(lua, -2, "random");
    lua_pop(lua, 1);
}

/* Protected, for any of it may run out of memory. */
static int open_state(lua_State *lua)
{
    struct script *s = lua_touserdata(lua, 1);
    open_libraries(lua);
    if (luaL_loadbufferx(lua, (const char *)prelude_lua, sizeof prelude_lua, "=prelude.lua", "t") !=
        LUA_OK)
        return lua_error(lua);
    lua_newtable(lua);
    script_add_primitives(s, lua);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, LUA_REGISTRYINDEX, "kiln");
    lua_call(lua, 1, 0);
    remove_globals(lua);
    return 0;
}

enum err script_open_lua(struct script *s, struct errmsg *msg)
{
    s->lua = lua_newstate(allocate, s);
    if (s->lua == NULL)
        return errmsg_set(msg, ERR_NOMEM, "no memory for the script");
    lua_pushcfunction(s->lua, traceback);
    lua_pushcfunction(s->lua, open_state);
    lua_pushlightuserdata(s->lua, s);
    int status = lua_pcall(s->lua, 1, 0, 1);
    if (status == LUA_ERRMEM)
        return errmsg_set(msg, ERR_NOMEM, "no memory for the script");
    if (status != LUA_OK)
        return errmsg_set(msg, ERR_INVALID, "%s", lua_tostring(s->lua, -1));
    lua_settop(s->lua, 0);
    return ERR_NONE;
}
