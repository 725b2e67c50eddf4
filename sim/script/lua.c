/* lua.c - a Lua state that knows nothing of the machine it runs on: no clock, no files, no
 * addresses, bounded memory and steps. */
#include <stdio.h>
#include "script/internal.h"
#include "script/checks_lua.h"
#include "script/closed_lua.h"
#include "script/expect_lua.h"
#include "script/prelude_lua.h"
#include "script/transcript_lua.h"

#define STRING_HEAD 64 /* of a string in memory, at most */

/* Steps say nothing of what one of them copies, nor of the collections that come before a refusal:
 * a script has only so much of both. The engine's own steps have all they want. */
static void count_copy(struct script *s, size_t size)
{
    uint64_t max = s->only_claim ? SCRIPT_CLAIM_COPIED_MAX : SCRIPT_COPIED_MAX;
    if (s->running == NULL)
        return;
    s->copied += size;
    if (s->copied > max && s->spent == NULL)
        script_spend(s, "too much memory taken and left again without a wait");
}

static void count_refusal(struct script *s)
{
    if (s->running != NULL && ++s->refusal_count > SCRIPT_REFUSALS_MAX && s->spent == NULL)
        script_spend(s, "not enough memory, time and again");
}

/* type: what a new block is for; LUA_TNONE: it is no new one. */
static bool has_room(const struct script *s, int type, size_t old, size_t new_size)
{
    /* The engine's own steps have room even when a script has taken all of its own. */
    size_t max = SCRIPT_MEMORY_MAX + (s->running == NULL ? SCRIPT_MEMORY_SPARE : 0);
    /* Two strings are compared in one step. */
    bool too_long = type == LUA_TSTRING && new_size > SCRIPT_STRING_MAX + STRING_HEAD;
    if (too_long && s->running != NULL)
        return false;
    return new_size <= old || s->lua_bytes - old + new_size <= max;
}

static void *allocate(void *context, void *p, size_t old_size, size_t new_size)
{
    struct script *s = context;
    size_t old = p == NULL ? 0 : old_size; /* without a block, old_size is a type */
    if (new_size == 0) {
        mem_free(s->mem, p);
        s->lua_bytes -= old;
        return NULL;
    }
    if (!has_room(s, p == NULL ? (int)old_size : LUA_TNONE, old, new_size)) {
        count_refusal(s);
        return NULL;
    }
    void *grown = mem_realloc(s->mem, p, new_size);
    if (grown == NULL && new_size > old)
        return NULL;
    s->lua_bytes += new_size - old;
    if (new_size > old)
        count_copy(s, new_size);
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

/* Runs one of our own files, which the build has compiled; its arguments are on top of the stack
 * and are popped. */
static void run_own(lua_State *lua, const unsigned char *chunk, size_t size, int arg_count)
{
    if (luaL_loadbufferx(lua, (const char *)chunk, size, "=kiln", "b") != LUA_OK)
        lua_error(lua);
    lua_insert(lua, -1 - arg_count);
    lua_call(lua, arg_count, 0);
}

/* Given the table of primitives, to which it may add. */
static void run_with_kiln(lua_State *lua, const unsigned char *chunk, size_t size)
{
    lua_getfield(lua, LUA_REGISTRYINDEX, "kiln");
    run_own(lua, chunk, size, 1);
}

/* Protected, for any of it may run out of memory. */
static int open_state(lua_State *lua)
{
    open_libraries(lua);
    run_own(lua, closed_lua, sizeof closed_lua, 0);
    lua_newtable(lua);
    script_add_primitives(lua);
    script_add_looks(lua);
    script_add_ear(lua);
    lua_setfield(lua, LUA_REGISTRYINDEX, "kiln");
    remove_globals(lua);
    run_with_kiln(lua, checks_lua, sizeof checks_lua);
    run_with_kiln(lua, expect_lua, sizeof expect_lua);
    run_with_kiln(lua, transcript_lua, sizeof transcript_lua);
    run_with_kiln(lua, prelude_lua, sizeof prelude_lua);
    return 0;
}

enum err script_open_lua(struct script *s, struct errmsg *msg)
{
    s->lua = lua_newstate(allocate, s);
    if (s->lua == NULL)
        return errmsg_set(msg, ERR_NOMEM, "no memory for the script");
    lua_pushcfunction(s->lua, traceback);
    lua_pushcfunction(s->lua, open_state);
    int status = lua_pcall(s->lua, 0, 0, 1);
    if (status == LUA_ERRMEM)
        return errmsg_set(msg, ERR_NOMEM, "no memory for the script");
    if (status != LUA_OK)
        return errmsg_set(msg, ERR_INVALID, "%s", lua_tostring(s->lua, -1));
    lua_settop(s->lua, 0);
    return ERR_NONE;
}
